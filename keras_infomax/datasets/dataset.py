"""Base of all data sets in memory."""

import dataclasses
import hashlib
from typing import Any

import keras
import numpy as np

from keras_infomax import structures


class Dataset:
    """Base of all data sets: a name, two splits, and optional labels.

    Subclasses have `train_examples`, `test_examples` and the attributes of
    `ExampleDataset`.
    """

    name: str
    train_examples: Any
    train_labels: np.ndarray | None
    test_examples: Any
    test_labels: np.ndarray | None
    num_classes: int | None
    class_names: tuple[str, ...] | None
    categories: tuple[int, ...] | None = None
    prompts: np.ndarray | None = None

    def __repr__(self) -> str:
        train, test = (
            structures.rows_of(examples)
            for examples in (self.train_examples, self.test_examples)
        )
        classes = f"{self.num_classes} classes" if self.num_classes else "no labels"
        return (
            f"<{type(self).__name__} {self.name!r}: {train:,} to train, {test:,} to "
            f"test, each {self.example_shape}, {classes}>"
        )

    @property
    def digest(self) -> str:
        """SHA-256 of all examples and labels, which identifies the data."""
        found = hashlib.sha256()
        for part in (
            *keras.tree.flatten(self.train_examples),
            self.train_labels,
            *keras.tree.flatten(self.test_examples),
            self.test_labels,
        ):
            if part is None:
                found.update(b"none")
                continue
            found.update(f"{part.dtype}{part.shape}".encode())
            found.update(np.ascontiguousarray(part).data)
        return found.hexdigest()

    @property
    def example_shape(self) -> Any:
        """Shape of an example without rows; a structure of shapes for several parts."""
        return keras.tree.map_structure(
            lambda part: part.shape[1:], self.train_examples
        )

    def with_training_rows(self, rows: np.ndarray) -> "Dataset":
        """The data set with only some rows of the training split.

        Args:
            rows: Indices of these rows.
        """
        labels = self.train_labels
        return self._with_examples(
            structures.taken(self.train_examples, rows),
            self.test_examples,
            None if labels is None else labels[rows],
            self.test_labels,
        )

    def held_out(self, train: np.ndarray, test: np.ndarray) -> "Dataset":
        """The data set whose splits are these rows of the training split.

        Args:
            train: Numbers of the rows of the new training split.
            test: Numbers of the rows of the new test split.
        """
        labels = self.train_labels
        return self._with_examples(
            structures.taken(self.train_examples, train),
            structures.taken(self.train_examples, test),
            None if labels is None else labels[train],
            None if labels is None else labels[test],
        )

    def _with_examples(self, train, test, train_labels, test_labels) -> "Dataset":
        return dataclasses.replace(  # type: ignore[type-var]
            self,
            train_examples=train,
            test_examples=test,
            train_labels=train_labels,
            test_labels=test_labels,
        )
