"""Normalizing flows: encoders that are bijections, and so lose no information.

Whatever they learn, the mutual information of their encodings is that of the views.
"""

import itertools
import math
import random

import keras
import numpy as np
from keras import ops

from keras_infomax import checks

# A scale of less would let `changed * scale + shift` round `changed` away in float32.
_MIN_SCALE = 1e-3
# softplus(_UNIT) = 1.
_UNIT = math.log(math.e - 1)


def _variable_dtype(dtype):
    try:
        found = keras.dtype_policies.get(dtype).variable_dtype
        if "float" in found:
            return found
    except (AttributeError, TypeError, ValueError):
        pass
    raise checks.refusal(
        "dtype", "a dtype of floats, or None", dtype, "Write dtype='float32'."
    )


@keras.saving.register_keras_serializable(package="keras_infomax")
class RealNVP(keras.Model):
    """Bijective encoder: coupling layers, each after a random permutation.

    The view is flattened to a vector h. Each coupling first permutes h; of the two
    halves of the result, the first stays and determines how the second is changed:

        kept, changed = split(h[permutation])
        h = [kept; changed * scale(kept) + shift(kept)]

    Scale and shift come from a multilayer perceptron with ReLU hidden layers. Additive
    couplings, the default and those of the paper's maximization of mutual information,
    have scale 1 and so preserve volume. Those of its adversarial experiment are affine.

    At initialization the kernels are tiny (standard deviation 0.0001) and the biases
    0, so that the flow is the product of its permutations up to rounding. This holds
    for affine couplings, too, and there departs from the paper's notebook:
    `scale = 0.001 + 0.999 * softplus(s + log(e - 1))` is 1 at `s = 0`, where
    `0.0000001 + softplus(s)` is 0.69, which 30 couplings compound to factors between
    1 and 0.00002. Being at least 0.001, the scale leaves enough digits to invert.

    The permutations are weights that are not trained: wherever weights go, to a file,
    a checkpoint, an export or `set_weights`, the permutations go with them. `seed`
    only initializes them.

    A mixed precision policy is ignored in favor of the dtype of its weights, float32:
    encodings in half precision could not be inverted.

    Args:
        couplings: Number of permutations and couplings.
        hidden_units: Sizes of the hidden layers of each perceptron.
        affine: Whether to learn scales beside the shifts.
        seed: Integer from which the permutations are drawn. Defaults to a random one,
            which `keras.utils.set_random_seed` makes reproducible.
        dtype: As in `keras.layers.Layer`.
        **kwargs: Passed to `keras.Model`.

    Call arguments:
        views: Tensor `(rows, ...)` of any static shape that holds two values or more.
            If their number is odd, the changed half is the larger one.

    Returns:
        Encodings `(rows, dim)`, as large as the flattened views.

    Raises:
        ValueError: If `couplings` or a hidden size is not a positive integer, if the
            shape of the views is not static or holds fewer than two values, or if the
            methods below are used before the flow is built.

    Example:
    >>> flow = RealNVP(couplings=2, hidden_units=(16,))
    >>> encodings = flow(ops.ones((3, 14, 28, 1)))
    >>> encodings.shape
    TensorShape([3, 392])
    >>> flow.inverse(encodings).shape
    TensorShape([3, 14, 28, 1])

    Reference:
        Dinh et al., 2017, "Density estimation using Real NVP",
        https://arxiv.org/abs/1605.08803; additive: Dinh et al., 2015, "NICE:
        Non-linear Independent Components Estimation",
        https://arxiv.org/abs/1410.8516; as an encoder: Tschannen et al., 2020,
        section 3.1, https://arxiv.org/abs/1907.13625.
    """

    def __init__(
        self,
        couplings=30,
        hidden_units=(512, 512),
        affine=False,
        seed=None,
        dtype=None,
        **kwargs,
    ):
        super().__init__(dtype=_variable_dtype(dtype), **kwargs)
        self.couplings = checks.positive_integer("couplings", couplings)
        self.hidden_units = checks.sizes("hidden_units", hidden_units)
        self.affine = checks.boolean("affine", affine)
        # Explicit, so that a copy from the config has the same permutations.
        seed = checks.seed("seed", seed, optional=True)
        self.seed = random.randrange(2**31) if seed is None else seed

    def build(self, input_shape):
        self.view_shape = tuple(input_shape[1:])
        if None in self.view_shape or math.prod(self.view_shape) < 2:
            raise ValueError(
                "views must have a static shape that holds at least two values, to be "
                f"split in halves; received shape {tuple(input_shape)}. Resize the "
                "views to one size, or use another encoder."
            )
        self.input_spec = keras.layers.InputSpec(shape=self.input_shape)
        dim = math.prod(self.view_shape)
        self.kept_size = dim // 2
        generator = np.random.default_rng(self.seed)
        self.permutations = self.add_weight(
            shape=(self.couplings, dim),
            initializer=np.stack(
                [generator.permutation(dim) for _ in range(self.couplings)]
            ),
            dtype="int32",
            trainable=False,
            name="permutations",
        )
        outputs = (dim - self.kept_size) * (2 if self.affine else 1)
        sizes = [self.kept_size, *self.hidden_units, outputs]
        # Stacked over the couplings: an optimizer traces its update of every weight,
        # which for 180 weights takes several times as long as tracing this model.
        self.kernels = [
            self.add_weight(
                shape=(self.couplings, *pair),
                initializer=keras.initializers.TruncatedNormal(stddev=1e-4),
                name=f"kernel_{index}",
            )
            for index, pair in enumerate(itertools.pairwise(sizes))
        ]
        self.biases = [
            self.add_weight(
                shape=(self.couplings, size), initializer="zeros", name=f"bias_{index}"
            )
            for index, size in enumerate(sizes[1:])
        ]

    @property
    def input_shape(self):
        """Shape of the views, `(None, ...)`, once built."""
        return (None, *self.view_shape)

    @property
    def output_shape(self):
        """Shape of the encodings, `(None, dim)`, once built."""
        return self.compute_output_shape(self.input_shape)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], math.prod(input_shape[1:]))

    def call(self, views):
        encodings, _ = self._encode(views)
        return encodings

    def log_det_jacobian(self, views):
        """Logarithm of the factor by which the flow expands volume at each view.

        Args:
            views: Tensor `(rows, ...)`, as for a call; the flow must be built.

        Returns:
            Natural logarithm of the absolute determinant of the Jacobian of encodings
            by views, `(rows,)`. Exact, and 0 for additive couplings.
        """
        _, log_det = self._encode(views)
        return log_det

    def inverse(self, encodings):
        """The views that have these encodings.

        Args:
            encodings: Tensor `(rows, dim)`; the flow must be built.

        Returns:
            Views `(rows, ...)`, in the shape that the flow was built with.
        """
        h = ops.convert_to_tensor(encodings, dtype=self.compute_dtype)
        for permutation, perceptron in reversed(self._coupling_weights()):
            kept, changed = ops.split(h, [self.kept_size], axis=-1)
            scale, shift = self._scale_and_shift(kept, perceptron)
            h = ops.concatenate([kept, (changed - shift) / scale], axis=-1)
            h = ops.take(h, ops.argsort(permutation), axis=-1)
        return ops.reshape(h, (-1, *self.view_shape))

    def _encode(self, views):
        """Encodings and the logarithms of their determinants."""
        couplings = self._coupling_weights()
        views = ops.convert_to_tensor(views, dtype=self.compute_dtype)
        # Not -1, which would turn views of another size into another number of rows.
        h = ops.reshape(views, (ops.shape(views)[0], self.output_shape[-1]))
        log_det = 0.0
        for permutation, perceptron in couplings:
            h = ops.take(h, permutation, axis=-1)
            kept, changed = ops.split(h, [self.kept_size], axis=-1)
            scale, shift = self._scale_and_shift(kept, perceptron)
            h = ops.concatenate([kept, changed * scale + shift], axis=-1)
            log_det += ops.sum(ops.log(scale), axis=-1)
        return h, log_det

    def _scale_and_shift(self, kept, perceptron):
        *hidden_layers, (kernel, bias) = perceptron
        hidden = kept
        for hidden_kernel, hidden_bias in hidden_layers:
            hidden = ops.relu(ops.matmul(hidden, hidden_kernel) + hidden_bias)
        outputs = ops.matmul(hidden, kernel) + bias
        if not self.affine:
            return ops.ones_like(outputs), outputs
        raw_scale, shift = ops.split(outputs, 2, axis=-1)
        return _MIN_SCALE + (1 - _MIN_SCALE) * ops.softplus(raw_scale + _UNIT), shift

    def _coupling_weights(self):
        """Permutation, and kernels and biases of the perceptron, of each coupling."""
        if not self.built:
            raise ValueError(
                f"{self.name} must be built before it is used; received one that has "
                "no weights yet. Call it on a batch of views, or use encoders.realnvp."
            )
        # Not by index: its gradient is as large as the whole stack, for each coupling.
        layers = [
            zip(*map(_unstacked, (kernels, biases)), strict=True)
            for kernels, biases in zip(self.kernels, self.biases, strict=True)
        ]
        perceptrons = zip(*layers, strict=True)
        return list(zip(_unstacked(self.permutations), perceptrons, strict=True))

    def get_config(self):
        return {
            **super().get_config(),
            "couplings": self.couplings,
            "hidden_units": self.hidden_units,
            "affine": self.affine,
            "seed": self.seed,
        }


def _unstacked(variable):
    # PyTorch and JAX take no variables of Keras here.
    return ops.unstack(ops.convert_to_tensor(variable))
