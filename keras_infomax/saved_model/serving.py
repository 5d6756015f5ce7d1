"""From images as a data set holds them to the view that an encoder takes.

Inside an export, so that whoever serves it sends what a camera or a file gives.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_infomax import checks, datasets, methods, views
from keras_infomax.datasets import image_files
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.training.settings import Settings

Shape = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """A function from raw inputs to views, and what the raw inputs are.

    Args:
        function: Layer or function that maps raw inputs `(rows, ...)` to views.
        shape: Shape of a raw input without the rows.
        dtype: Its dtype, such as `"uint8"`.
    """

    function: Callable
    shape: Shape
    dtype: str

    @property
    def spec(self) -> tf.TensorSpec:
        """What the function takes."""
        return tf.TensorSpec((None, *self.shape), self.dtype, name="inputs")

    @property
    def variables(self) -> list[tf.Variable]:
        """The variables of the function, if it is a layer or a module."""
        found = getattr(self.function, "variables", ())
        return [v.value if isinstance(v, keras.Variable) else v for v in found]


def resolve(
    preprocessing: Any, raw_shape: Sequence[int | None] | None, raw_dtype: str | None
) -> Preprocessing | None:
    """The preprocessing that the arguments of `saved_model.export` stand for.

    Args:
        preprocessing: `None`, a `Preprocessing`, or a layer or function.
        raw_shape: Shape of a raw input; `None` if the layer knows it.
        raw_dtype: Its dtype; `None` for that of the layer's input, or else uint8.

    Raises:
        ValueError: If `preprocessing` cannot be called, nothing tells the shape, or
            raw inputs are no numbers.
    """
    if preprocessing is None:
        for argument, value in (("raw_shape", raw_shape), ("raw_dtype", raw_dtype)):
            if value is not None:
                raise checks.refusal(
                    argument, "None without a preprocessing", value, "Leave it out."
                )
    if preprocessing is None or isinstance(preprocessing, Preprocessing):
        return preprocessing
    if not callable(preprocessing):
        raise ValueError(
            "preprocessing must be a layer or a function from raw inputs to views; "
            f"received {checks.shown(preprocessing)}. Leave it out where there is none."
        )
    inputs = getattr(preprocessing, "inputs", None)
    if raw_shape is None:
        if not inputs or len(inputs) != 1:
            raise ValueError(
                "raw_shape, the shape of a raw input without the rows, must be given "
                f"with the preprocessing {preprocessing!r}, which does not know it."
            )
        raw_shape = inputs[0].shape[1:]
    if raw_dtype is None:
        raw_dtype = inputs[0].dtype if inputs else "uint8"
    try:
        dtype = tf.as_dtype(raw_dtype)
    except TypeError as error:
        raise checks.refusal(
            "raw_dtype", "a dtype of numbers", raw_dtype, "Write raw_dtype='uint8'."
        ) from error
    if not (dtype.is_integer or dtype.is_floating):
        raise ValueError(
            f"raw_dtype must be one of numbers; received {raw_dtype!r}. Decode files "
            "and texts before they are served."
        )
    raw_shape = checks.view_shape(
        "raw_shape",
        raw_shape,
        example=(28, 28, 1),
        expected="the shape of a raw input without the rows",
    )
    return Preprocessing(preprocessing, raw_shape, dtype.name)


def of_run(
    settings: Settings, view: int, view_shape: Shape, image_dtype: str = "uint8"
) -> Preprocessing | None:
    """What a run does to the images of its data set before it encodes them.

    It scales to [0, 1], resizes if the settings say so, and takes the view. It adds no
    noise, which is for training. Where views are random, the view is the whole image.

    Args:
        settings: Settings of the run.
        view: 0 for view x, 1 for view y.
        view_shape: Shape of the view that the encoder takes.
        image_dtype: `"uint8"` for images of [0, 255], a float dtype for [0, 1].

    Returns:
        The preprocessing, or `None` where the encoder takes something else than the
        whole of one view of an image.

    Raises:
        ValueError: If `image_dtype` is none of pixels.

    Example:
    >>> of_run(Settings(views="halves"), 0, (14, 28, 1)).shape
    (28, 28, 1)
    """
    if image_dtype not in ("uint8", "float32"):
        raise ValueError(
            'image_dtype must be "uint8", for images of [0, 255], or "float32", for '
            f"[0, 1]; received {image_dtype!r}."
        )
    take = _one_view(settings, view)
    shape = _image_shape(settings, take, view_shape)
    if shape is None:
        return None
    size = settings.image_size

    def view_of_images(images):
        return take(
            datasets.to_float(image_files.resize(images, size) if size else images)
        )

    raw_shape: Shape = (None, None, shape[2]) if size else shape
    return Preprocessing(view_of_images, raw_shape, image_dtype)


def _one_view(settings: Settings, view: int) -> Callable:
    if methods.takes_whole_images(settings.experiment):
        # Their networks cut the image themselves.
        return lambda images: images
    views_of = views.get(settings.views)
    called = views_of.call if isinstance(views_of, keras.Layer) else views_of
    if "seed" in inspect.signature(called).parameters:
        return lambda images: images
    return lambda images: views_of(images)[view]


def _image_shape(
    settings: Settings, take: Callable, view_shape: Shape
) -> tuple[int, int, int] | None:
    """Shape of the images whose view has this shape.

    The settings of a run do not tell the shape of its images, but its views keep a
    side of the image or cut it in half.
    """
    if len(view_shape) != 3 or None in view_shape:
        return None
    height, width, channels = (size or 0 for size in view_shape)
    sizes = [(height, width), (2 * height, width), (height, 2 * width)]
    if settings.image_size:
        sizes = [(settings.image_size[0], settings.image_size[1])]
    for size in sizes:
        shape = (*size, channels)
        try:
            found = take(tf.zeros((1, *shape))).shape[1:]
        except ValueError:  # Halves of an odd number of lines, for instance.
            continue
        if tuple(found) == view_shape:
            return shape
    return None
