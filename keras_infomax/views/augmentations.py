"""Two random augmentations of each example, with layers of this package or Keras."""

import keras
from keras import ops

from keras_infomax import checks, private
from keras_infomax.views import draws, recipes
from keras_infomax.views.random_views import RandomView

_OF_COLORS = (
    keras.layers.RandomSaturation,
    keras.layers.RandomHue,
    keras.layers.RandomGrayscale,
)


@keras.saving.register_keras_serializable(package="keras_infomax")
class Augmented(keras.layers.Layer):
    """Makes two independent augmentations of each image, signal or row.

    Both share the properties that augmentations do not change. So the choice of
    augmentations determines the encodings: an encoder need not keep the position, the
    size or the brightness of an object, for example. Each image of a batch has its own
    draws.

    Args:
        layers: Layers of random augmentation, applied in this order: of this package,
            such as `RandomResizedCrop()`, or of Keras, such as
            `keras.layers.RandomRotation(0.05)`. Layers of Keras that change colors need
            `value_range=(0, 1)`, since they assume pixels up to 255, and all layers
            must draw from the seed passed to their `get_random_transformation`. Or the
            name of a recipe: `"simclr"`, `"moco"` or `"digits"`; see `recipes`.
            Defaults to `augmentations()`, which suits digits, for gray images, and to
            `photographic()` for color images.
        both: Whether both views are augmented; otherwise the first view is the example
            itself.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Float tensor `(rows, height, width, channels)` in [0, 1], or other
            inputs of the layers.
        seed: Two integers. The same seed gives the same augmentations, whatever the
            seeds of the layers; with layers of this package, on every backend.

    Returns:
        Pair of float32 tensors of the shape of the images.

    Raises:
        ValueError: If a recipe is unknown, a layer is not random or consists of other
            layers, such as `keras.layers.RandAugment`, or a layer needs colors and the
            images are gray.

    Example:
    >>> images = keras.ops.ones((8, 28, 28, 1))
    >>> augmented = Augmented([keras.layers.RandomTranslation(0.2, 0.2, "constant")])
    >>> image_a, image_b = augmented(images, seed=(3, 0))
    >>> image_a.shape, bool(keras.ops.all(image_a == image_b))
    (TensorShape([8, 28, 28, 1]), False)

    Reference:
        Chen et al., 2020, "A Simple Framework for Contrastive Learning of Visual
        Representations", section 3, https://arxiv.org/abs/2002.05709.
    """

    def __init__(self, layers=None, both=True, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.both = checks.boolean("both", both)
        self.recipe = self.layers = None
        if layers is None:
            self._by_kind = {"gray": augmentations(), "colored": photographic()}
        elif isinstance(layers, str):
            self.recipe = layers
            recipe = checks.lookup("layers", layers, recipes.RECIPES)
            # Made here, since layers that are made in a graph of tf.data would be lost.
            self._by_kind = {kind: recipe(**known) for kind, known in _KINDS.items()}
        else:
            self.layers = _checked_layers(layers)
        self.built = True  # The layers check it.

    def call(self, images, seed):
        layers = self.layers
        if layers is None:
            layers = self._by_kind[self._kind(images.shape)]
        of_colors = [x.name for x in layers if _needs_colors(x)]
        if of_colors and images.shape[-1] != 3:
            raise ValueError(
                f"The augmentations {', '.join(of_colors)} need images in color; "
                f"received shape {tuple(images.shape)}. Leave them out; the views "
                "'augmented' do so for gray images."
            )
        seed = draws.checked_seed(seed)
        return tuple(
            _augment(images, layers, draws.fold_in(seed, view))
            if self.both or view
            else images
            for view in range(2)
        )

    def _kind(self, shape):
        kind = "colored" if shape[-1] == 3 else "gray"
        if self.recipe is None:
            return kind
        return f"{recipes.size_of(shape)} {kind}"

    def compute_output_shape(self, input_shape):
        for layer in self.layers or ():
            input_shape = layer.compute_output_shape(input_shape)
        return (tuple(input_shape),) * 2

    def get_config(self):
        layers = self.recipe or keras.saving.serialize_keras_object(self.layers)
        return {**super().get_config(), "layers": layers, "both": self.both}

    @classmethod
    def from_config(cls, config):
        layers = config["layers"]
        if not isinstance(layers, str):
            layers = keras.saving.deserialize_keras_object(layers)
        return cls(**{**config, "layers": layers})


# Arguments of a recipe, by kind of images.
_KINDS = {
    f"{size} {kind}": {"small": size == "small", "colored": kind == "colored"}
    for size in ("small", "large")
    for kind in ("gray", "colored")
}


def _needs_colors(layer):
    if isinstance(layer, RandomView):
        return layer.needs_colors
    return isinstance(layer, _OF_COLORS)


def _checked_layers(layers):
    expected = (
        "a recipe, or a list of layers of random augmentation; those of Keras take a "
        "seed in get_random_transformation, and are not made of others, which would "
        "draw from generators of their own"
    )
    advice = "Give single random layers, and apply other layers to the images first."
    if not isinstance(layers, (list, tuple)):
        raise checks.refusal("layers", expected, layers, advice)
    for layer in layers:
        if isinstance(layer, RandomView):
            continue
        # A class has this method, too.
        random = isinstance(layer, keras.Layer) and hasattr(
            layer, "get_random_transformation"
        )
        if not random or private.layers(layer, include_self=False):
            raise checks.refusal("layers", expected, layer, advice)
    return list(layers)


def _augment(images, layers, seed):
    for number, layer in enumerate(layers):
        seed_of_layer = draws.next_to(seed, 0, number)
        if isinstance(layer, RandomView):
            images = layer(images, seed=seed_of_layer)
        else:
            drawn = layer.get_random_transformation(
                images, training=True, seed=_Draws(seed_of_layer)
            )
            images = layer.transform_images(images, drawn, training=True)
    return images


def augmentations(
    zoom=0.2,
    translation=0.1,
    rotation=0.05,
    brightness=0.2,
    contrast=0.3,
    flip=False,
    saturation=0.0,
    hue=0.0,
    grey=0.0,
    fill_mode="constant",
):
    """Keras's augmentation layers for pixels in [0, 1], without those of strength 0.

    The defaults suit digits, whose meaning a flip would change; see `photographic`.

    Args:
        zoom: Largest relative change of size, in both directions.
        translation: Largest shift, as a fraction of height and width.
        rotation: Largest angle, as a fraction of a full turn.
        brightness: Largest number that is added to or subtracted from all pixels.
        contrast: Largest relative change of the distance of pixels from their mean.
        flip: Whether to mirror left and right with probability 1/2.
        saturation: Largest relative change of saturation; only for color images.
        hue: Largest shift of hue, as a fraction of the color circle; only for color
            images.
        grey: Probability of removing all color; only for color images.
        fill_mode: Fill of areas outside the image: `"constant"` for black, `"reflect"`,
            `"wrap"` or `"nearest"`.

    Returns:
        List of Keras layers, for `Augmented`.

    Raises:
        ValueError: If a strength is not in the range of its Keras layer.

    Example:
    >>> [type(layer).__name__ for layer in augmentations(0, 0, 0, 0, flip=True)]
    ['RandomFlip', 'RandomContrast']
    """
    strengths = {
        "zoom": zoom,
        "translation": translation,
        "rotation": rotation,
        "brightness": brightness,
        "contrast": contrast,
        "saturation": saturation,
        "grey": grey,
    }
    for argument, strength in strengths.items():
        checks.probability(argument, strength, example=0.2)
    # Half of the circle reaches all colors.
    checks.number("hue", hue, "in [0, 0.5]", lambda v: 0 <= v <= 0.5, 0.1)
    flip = checks.boolean("flip", flip)
    fill_mode = checks.one_of(
        "fill_mode", fill_mode, ("constant", "reflect", "wrap", "nearest")
    )
    filled = {"fill_mode": fill_mode, "dtype": "float32"}
    colored = {"value_range": (0.0, 1.0), "dtype": "float32"}
    layers = keras.layers
    by_strength = [
        (zoom, lambda: layers.RandomZoom(zoom, **filled)),
        (
            translation,
            lambda: layers.RandomTranslation(translation, translation, **filled),
        ),
        (rotation, lambda: layers.RandomRotation(rotation, **filled)),
        (flip, lambda: layers.RandomFlip("horizontal", dtype="float32")),
        (brightness, lambda: layers.RandomBrightness(brightness, **colored)),
        # Keras would convert one number to factors of at least 1.
        (contrast, lambda: layers.RandomContrast((contrast, contrast), **colored)),
        (saturation, lambda: _saturation(saturation, **colored)),
        (hue, lambda: layers.RandomHue(2.0 * hue, **colored)),
        (grey, lambda: layers.RandomGrayscale(grey, dtype="float32")),
    ]
    return [make() for strength, make in by_strength if strength]


def photographic():
    """Augmentation layers for photographs, including flips and changes of color.

    Returns:
        List of Keras layers, for `Augmented`. Half of the images are mirrored, a fifth
        lose their color, and areas outside an image are filled with its mirrored
        border.
    """
    return augmentations(
        zoom=0.3,
        translation=0.15,
        rotation=0.0,
        flip=True,
        contrast=0.4,
        saturation=0.4,
        hue=0.1,
        grey=0.2,
        fill_mode="reflect",
    )


def _saturation(strength, **options):
    """Random saturation, by factors from `1 - strength` to `1 + strength`."""
    # Keras multiplies by f / (1 - f).
    low, high = (factor / (1.0 + factor) for factor in (1.0 - strength, 1.0 + strength))
    return keras.layers.RandomSaturation((low, high), **options)


class _Draws(keras.random.SeedGenerator):
    """Seeds for random operations of Keras, derived from one seed.

    Args:
        seed: int32 tensor `(2,)`.
    """

    # Keras's own constructor would make a variable, which is not allowed here.
    def __init__(self, seed):
        self.seed = seed
        self.count = 0

    def next(self, ordered=True):
        self.count += 1
        # JAX needs unsigned integers.
        dtype = "uint32" if keras.backend.backend() == "jax" else "int32"
        return ops.cast(draws.next_to(self.seed, self.count, 0), dtype)
