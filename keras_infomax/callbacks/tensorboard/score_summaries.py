"""Summaries of score matrices: histograms of true and other pairs, and a picture."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_infomax.lazy_tensorflow import tf
from keras_infomax.plots.matrices import split

# Largest number of rows and columns of a picture, and its minimum size in pixels.
_MOST, _PIXELS = 256, 128

# Dark blue to yellow, with even steps of brightness; scores that are left out are gray.
_COLORS = np.array(
    [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]], float
)
_LEFT_OUT = 200


def picture(scores: Any) -> np.ndarray:
    """Draws a score matrix; of a large one only the first rows and columns.

    Colors run from the 1st to the 99th percentile of the scores.

    Args:
        scores: Scores `(rows, columns)`; minus infinity is left out and drawn in gray.

    Returns:
        uint8 array `(height, width, 3)`, with a square of equal pixels for each score.
    """
    corner = np.asarray(scores, float)[:_MOST, :_MOST]
    finite = np.isfinite(corner)
    low, high = np.percentile(corner[finite], [1, 99]) if finite.any() else (0, 1)
    share = (np.where(finite, corner, low) - low) / max(high - low, 1e-12)
    position = np.clip(share, 0, 1) * (len(_COLORS) - 1)
    channels = [np.interp(position, range(len(_COLORS)), c) for c in _COLORS.T]
    image = np.stack(channels, axis=-1).round().astype("uint8")
    image[~finite] = _LEFT_OUT
    enlarge = -(-_PIXELS // max(corner.shape))
    return image.repeat(enlarge, axis=0).repeat(enlarge, axis=1)


def summaries(tag: str, partners: Any, scores: Any) -> Iterator[Any]:
    """Histograms and picture as TensorBoard summaries.

    Args:
        tag: Prefix of the tags `/true_pairs`, `/other_pairs` and `/matrix`.
        partners: As for `plots.matrices.split`.
        scores: As for `plots.matrices.split`.
    """
    from tensorboard.plugins.histogram.summary_v2 import histogram_pb

    true, others = split(partners, scores)
    for name, values in (("true_pairs", true), ("other_pairs", others)):
        if values.size:
            yield histogram_pb(f"{tag}/{name}", values)
    yield _image(f"{tag}/matrix", picture(scores))


def _image(tag: str, pixels: np.ndarray) -> Any:
    from tensorboard.plugins.image import metadata

    height, width, _ = pixels.shape
    # Width and height, then the images; here one.
    png = tf.io.encode_png(pixels, compression=1).numpy()
    parts = [str(width).encode(), str(height).encode(), png]
    described = metadata.create_summary_metadata(
        display_name=None, description=None, converted_to_tensor=True
    )
    summary = tf.compat.v1.Summary()
    value = summary.value.add(tag=tag)
    value.tensor.CopyFrom(tf.make_tensor_proto(parts))
    value.metadata.ParseFromString(described.SerializeToString())
    return summary
