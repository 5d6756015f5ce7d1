"""Reads image files: their headers, and their pixels in 8 bits.

The header is read before an image is decoded, since a file of some kilobytes can hold
an image of gigabytes.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import stat
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from keras_infomax.lazy_tensorflow import tf

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# A hundred megapixels, more than almost all cameras have.
MAX_PIXELS = 10**8
# 4 GiB, of all decoded images of a data set.
MAX_BYTES = 2**32

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
_GRAY = ("1", "L", "LA", "La")
# Bytes of a file besides four per pixel: profiles, previews, frames of an animation.
# The decoder of WebP reads the whole file before its header.
_SPARE_BYTES = 2**25


class Header(NamedTuple):
    """Properties of an image that is not decoded.

    Args:
        size: `(height, width)` as stored; the EXIF orientation may exchange them.
        channels: 1 if it is gray, otherwise 3.
        animated: Whether it has more frames or pages than the first.
    """

    size: tuple[int, int]
    channels: int
    animated: bool


def read_header(path: pathlib.Path, max_pixels: int = MAX_PIXELS) -> Header:
    """Reads the header of an image file.

    Args:
        path: BMP, GIF, JPEG, PNG, TIFF or WebP file with any suffix.
        max_pixels: Largest number of pixels that an image may have.

    Raises:
        ValueError: If it is not such a file, or the image is too large. The message is
            only the reason, in one line.
    """
    with _opened(path, max_pixels) as image:
        width, height = image.size
        gray = image.mode in _GRAY or image.mode.startswith("I;16")
        animated = getattr(image, "is_animated", False)
        return Header((height, width), 1 if gray else 3, animated)


def read_pixels(path: pathlib.Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Reads the first frame of an image file, and rotates it upright.

    Palettes, CMYK and other colors become RGB, and an alpha channel is dropped.
    Channels of 16 bits keep the upper 8.

    Args:
        path: As for `read_header`.
        max_pixels: As for `read_header`.

    Returns:
        uint8 array `(height, width, channels)` of one channel or three.

    Raises:
        ValueError: As `read_header`, or if the pixels are damaged or have 32 bits.
    """
    with _opened(path, max_pixels) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            return (np.asarray(image) >> 8).astype("uint8")[..., np.newaxis]
        if image.mode in ("I", "F"):
            raise ValueError(
                "it has one number of 32 bits per pixel, of unknown range; save it "
                "with 8 bits"
            )
        if image.mode in _GRAY:
            return np.asarray(image.convert("L"))[..., np.newaxis]
        return np.asarray(image.convert("RGB"))


def resized(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes images, with antialiasing if they shrink.

    Args:
        images: Array `(..., height, width, channels)`.
        size: New `(height, width)`.

    Returns:
        Array of the same dtype.
    """
    return resize(tf.constant(images), size).numpy()


def resize(images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """As `resized`, for tensors."""
    if tuple(images.shape[-3:-1]) == tuple(size):
        return images
    found = tf.image.resize(images, size, antialias=True)
    if images.dtype.is_integer:
        found = tf.round(found)
    return tf.saturate_cast(found, images.dtype)


def check_bytes(name: str, rows: int, num_bytes: int, max_bytes: int) -> None:
    """Raises a `ValueError` if decoded images would take too much memory.

    Args:
        name: Name of the data set.
        rows: Number of images.
        num_bytes: Bytes of all of them, decoded.
        max_bytes: Largest number of bytes that they may take.
    """
    if num_bytes > max_bytes:
        raise ValueError(
            f"The {rows:,} images of {name} would take {num_bytes:,} bytes of memory, "
            f"more than max_bytes={max_bytes}. Resize them with image_size=(height, "
            "width), use fewer, or, if there is enough memory, raise the limit with "
            f"max_bytes={num_bytes} (--config.max_bytes={num_bytes})."
        )


@contextlib.contextmanager
def _opened(path: pathlib.Path, max_pixels: int) -> Iterator[Image.Image]:
    """The opened image; all errors of its decoder become a `ValueError`."""
    default = Image.MAX_IMAGE_PIXELS
    try:
        status = os.stat(path)
        # A pipe would wait forever, and a device may never end.
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        if status.st_size > 4 * max_pixels + _SPARE_BYTES:
            size = f"{status.st_size} bytes"
            raise ValueError(_too_large(size, status.st_size // 4, max_pixels))
        # Pillow raises at twice its limit, for WebP before it allocates memory, and
        # warns below. The limit is not an argument.
        Image.MAX_IMAGE_PIXELS = max_pixels
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(path, formats=_FORMATS) as image,
        ):
            width, height = image.size
            if width * height > max_pixels:
                pixels = width * height
                raise ValueError(_too_large(f"{pixels} pixels", pixels, max_pixels))
            yield image
    except Image.DecompressionBombError as error:
        # "Image size (268402689 pixels) exceeds limit of 200000000 pixels, ..."
        pixels = int(re.findall(r"\d+", str(error))[0])
        message = _too_large(f"{pixels} pixels", pixels, max_pixels)
        raise ValueError(message) from error
    except UnidentifiedImageError as error:
        raise ValueError(
            "it is not a BMP, GIF, JPEG, PNG, TIFF or WebP file, or its header is "
            "damaged"
        ) from error
    except OSError as error:
        raise ValueError(_one_line(error.strerror or error)) from error
    except Exception as error:
        # Decoders raise errors of many types for damaged files.
        raise ValueError(_one_line(error)) from error
    finally:
        Image.MAX_IMAGE_PIXELS = default


def _too_large(size: str, pixels: int, max_pixels: int) -> str:
    return (
        f"it has {size}, more than max_pixels={max_pixels} allows; if this size is "
        f"intended, raise the limit with --config.max_pixels={pixels}"
    )


def _one_line(reason: object) -> str:
    return " ".join(str(reason).split()) or type(reason).__name__
