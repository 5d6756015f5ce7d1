"""Published lists of augmentations, for images in [0, 1] of any kind.

A recipe is a function of two properties of the images: whether they are small, and
whether they are in color. Layers that need colors are left out for gray images.
"""

from keras_infomax.views.crops import RandomHorizontalFlip, RandomResizedCrop
from keras_infomax.views.random_views import RandomView
from keras_infomax.views.recoloring import (
    RandomColorJitter,
    RandomGaussianBlur,
    RandomGrayscale,
)

# Images whose shorter side has fewer pixels are small, such as those of CIFAR-10.
_SMALL = 64


def size_of(shape: tuple) -> str:
    """Whether images of a shape are `"small"` or `"large"`; unknown sides are large.

    Args:
        shape: `(rows, height, width, channels)`.

    Example:
    >>> size_of((None, 32, 32, 3))
    'small'
    """
    return "small" if min(side or _SMALL for side in shape[1:3]) < _SMALL else "large"


def simclr(small: bool, colored: bool) -> list[RandomView]:
    """Crop, flip, strong color jitter, grayscale, and blur.

    For small images the strength is half and there is no blur, as in appendix B.9.

    Args:
        small: Whether the images are small.
        colored: Whether they have three channels.

    Returns:
        List of layers, for `Augmented`.

    Example:
    >>> [type(layer).__name__ for layer in simclr(small=True, colored=False)]
    ['RandomResizedCrop', 'RandomHorizontalFlip', 'RandomColorJitter']

    Reference:
        Chen et al., 2020, appendices A and B.9, https://arxiv.org/abs/2002.05709.
    """
    strength = 0.5 if small else 1.0
    return [
        RandomResizedCrop(scale=(0.08, 1.0)),
        RandomHorizontalFlip(),
        _jitter(0.8 * strength, 0.2 * strength, colored),
        *_gray(colored),
        *_blur(small),
    ]


def moco(small: bool, colored: bool) -> list[RandomView]:
    """Crop of at least a fifth, color jitter, grayscale, blur, and flip.

    Small images are not blurred.

    Args:
        small: Whether the images are small.
        colored: Whether they have three channels.

    Returns:
        List of layers, for `Augmented`.

    Reference:
        Chen et al., 2020, "Improved Baselines with Momentum Contrastive Learning",
        section 3, https://arxiv.org/abs/2003.04297, and its published code.
    """
    return [
        RandomResizedCrop(scale=(0.2, 1.0)),
        _jitter(0.4, 0.1, colored),
        *_gray(colored),
        *_blur(small),
        RandomHorizontalFlip(),
    ]


def digits(small: bool, colored: bool) -> list[RandomView]:
    """Crop of at least half, and jitter of brightness and contrast, without a flip.

    It suits digits and letters, whose meaning a flip would change.

    Args:
        small: Whether the images are small.
        colored: Whether they have three channels.

    Returns:
        List of layers, for `Augmented`.
    """
    return [
        RandomResizedCrop(scale=(0.5, 1.0)),
        RandomColorJitter(0.4, 0.4, 0.0, 0.0, probability=0.8),
    ]


RECIPES = {"simclr": simclr, "moco": moco, "digits": digits}


def _jitter(strength, hue, colored):
    saturation, hue = (strength, hue) if colored else (0.0, 0.0)
    return RandomColorJitter(strength, strength, saturation, hue, probability=0.8)


def _gray(colored):
    return [RandomGrayscale(0.2)] if colored else []


def _blur(small):
    return [] if small else [RandomGaussianBlur((0.1, 2.0), probability=0.5)]
