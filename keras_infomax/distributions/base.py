"""Base of all distributions of pairs."""

import abc
from typing import Any

import numpy as np

from keras_infomax import checks


class Distribution(abc.ABC):
    """Pairs (x, y) whose mutual information is known exactly.

    A subclass defines `draw` and `mutual_information`.

    Args:
        name: Name of the distribution in tables.
    """

    def __init__(self, name: str):
        self.name = checks.text("name", name, "gaussian")

    @property
    @abc.abstractmethod
    def mutual_information(self) -> float:
        """I(X; Y) in nats."""

    @abc.abstractmethod
    def draw(self, rows: int, generator: np.random.Generator) -> tuple[Any, Any]:
        """Draws arrays x and y with this number of rows."""

    def sample(self, rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Draws independent pairs.

        Args:
            rows: Number of pairs.
            seed: Integer seed from 0 to 2**32 - 1.

        Returns:
            Arrays x and y, `(rows, ...)`: float32 for numbers and images, int64 for
            classes. Row i of both is one pair.

        Raises:
            ValueError: If the number of rows is not positive, or the seed out of range.
        """
        rows = checks.positive_integer("rows", rows, 1000)
        generator = np.random.default_rng(checks.seed("seed", seed))
        x, y = self.draw(rows, generator)
        return _narrow(x), _narrow(y)

    def __repr__(self) -> str:
        return f"<{self.name}: {self.mutual_information:.4f} nats>"


def _narrow(values):
    values = np.asarray(values)
    return values.astype("float32" if values.dtype.kind == "f" else "int64")
