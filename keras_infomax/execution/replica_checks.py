"""Refuses, before a run, models that several replicas cannot train exactly.

A layer sees only the rows of one replica, and an optimizer only its gradients. If the
weights would differ from those of one device on the same global batch, nothing is
trained.
"""

import keras

from keras_infomax import private
from keras_infomax.execution import random_layers


def refuse_what_differs(model):
    """Raises if several replicas would train another model than one device.

    `replica_losses` checks what layers do while they are called.

    Args:
        model: Compiled Keras model.

    Raises:
        ValueError: If the model is compiled by XLA, or has optimizer options that
            replicas cannot follow, a batch normalization that is not synchronized, or
            random numbers in a critic or in chunks.
    """
    if model.distribute_strategy.num_replicas_in_sync == 1:
        return
    if model.jit_compile:
        raise ValueError(
            "jit_compile must be off under a strategy of several replicas; received "
            "jit_compile=True. XLA cannot compile across devices: leave it at its "
            "default."
        )
    for optimizer in optimizers(model.optimizer):
        _check_optimizer(optimizer)
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    if scaled and any(map(clips, optimizers(model.optimizer))):
        raise ValueError(
            "The optimizer must not clip gradients that carry a loss scale under a "
            "strategy of several replicas: they would be clipped before they are "
            "summed. Use the policy mixed_bfloat16, which needs no loss scale, or "
            "remove clipnorm, clipvalue and global_clipnorm."
        )
    for variable in model.trainable_variables:
        if getattr(variable, "overwrite_with_gradient", False):
            raise ValueError(
                f"The variable {variable.path!r} must be trained by gradient descent "
                "under a strategy of several replicas; received a variable that its "
                "gradient replaces, as in float8. Use another dtype, or train on one "
                "device."
            )
    for layer in private.layers(model):
        if isinstance(layer, keras.layers.BatchNormalization) and not (
            layer.synchronized or not layer.trainable
        ):
            raise ValueError(
                f"Batch normalization {layer.name!r} must be synchronized under a "
                "strategy of several replicas; received synchronized=False, which "
                "normalizes by a part of the batch. Create it with synchronized=True."
            )
    _refuse_other_random_numbers(model)


def optimizers(optimizer):
    """An optimizer and its inner optimizers, to which it passes gradients.

    Args:
        optimizer: Keras optimizer.
    """
    inner = [
        getattr(optimizer, "inner_optimizer", None),
        *getattr(optimizer, "optimizers", ()),
    ]
    return [optimizer, *(o for each in inner if each for o in optimizers(each))]


def _check_optimizer(optimizer):
    if getattr(optimizer, "gradient_accumulation_steps", None):
        raise ValueError(
            "The optimizer must not accumulate gradients under a strategy of several "
            "replicas; received gradient_accumulation_steps="
            f"{optimizer.gradient_accumulation_steps}. Use a larger batch."
        )
    overwrites = optimizer.use_ema and optimizer.ema_overwrite_frequency
    if overwrites and private.merges_updates():
        raise ValueError(
            "The optimizer must not overwrite weights during training under a strategy "
            "of several replicas, since Keras does not support it; received "
            f"ema_overwrite_frequency={optimizer.ema_overwrite_frequency}. Use "
            "ema_overwrite_frequency=None, which overwrites them at the end of fit."
        )


def networks(model):
    """Layers that encode the views of a model, if it is an `InfoMax`.

    Args:
        model: Keras model.
    """
    found = [getattr(model, n, None) for n in ("network", "encoder_x", "encoder_y")]
    return [network for network in found if network is not None]


def _refuse_other_random_numbers(model):
    encoding = networks(model)
    of_networks = {id(v) for network in encoding for v in network.variables}
    for layer in private.layers(model):
        for variable in layer.variables if layer is not model else ():
            if variable.name == random_layers.SEED and id(variable) not in of_networks:
                raise ValueError(
                    f"Layer {layer.name!r} must not draw random numbers under a "
                    "strategy of several replicas, since it sees only a part of the "
                    "rows. Draw them in the encoder, or train on one device."
                )
    in_chunks = getattr(model, "encoder_chunk_size", None) is not None
    if in_chunks and any(map(random_layers.draws, encoding)):
        raise ValueError(
            "encoder_chunk_size must be None if an encoder draws random numbers under "
            "a strategy of several replicas, since they would depend on the chunks; "
            f"received {model.encoder_chunk_size!r}. Remove dropout and noise, or "
            "train on one device."
        )


def clips(optimizer):
    """Whether an optimizer clips gradients.

    Args:
        optimizer: Keras optimizer.
    """
    # As in Keras, 0 means no clipping.
    clipping = ("clipnorm", "clipvalue", "global_clipnorm")
    return any(getattr(optimizer, name, None) for name in clipping)
