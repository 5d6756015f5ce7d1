"""Fits multinomial logistic regression: SciPy's L-BFGS in whitened coordinates."""

from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse

from keras_infomax import backends
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.probes.threads import one_thread

# Above this number of features, whitening costs more than it saves.
_MOST_WHITENED = 4096


def fit(
    x: np.ndarray,
    targets: np.ndarray,
    num_classes: int,
    C: float,
    tolerance: float,
    max_iterations: int,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Minimizes the penalized negative log-likelihood of a linear softmax classifier.

        ||W||^2 / (2 C rows) - mean_i log softmax(W x_i + b)[target_i]

    The search runs in coordinates in which the rows have a covariance of one, `W = V P`
    for a matrix P of their principal axes, and starts at zero. The optimum is the same,
    but takes several times fewer iterations for correlated features, such as encodings.
    A small gradient also means a small distance from the optimum, whatever the scale of
    the features.

    Args:
        x: float32 array `(rows, features)`.
        targets: Integers `(rows,)` in `[0, num_classes)`.
        num_classes: Number of classes, at least 2.
        C: Positive float, the weight of the data against the penalty.
        tolerance: The search stops if no entry of the gradient is larger, in whitened
            coordinates.
        max_iterations: Largest number of iterations.

    Returns:
        Weights `(num_classes, features)`, intercepts `(num_classes,)` and the number of
        iterations.
    """
    rows, features = x.shape
    mean = x.mean(axis=0, dtype="float64")
    whitened = x - mean.astype("float32")
    axes = _whitening(whitened, 1 / (C * rows))
    if axes is not None:
        whitened = _product(whitened, axes.astype("float32"))
    # The last column is the intercept, which is not penalized.
    whitened = _kept(np.pad(whitened, [(0, 0), (0, 1)], constant_values=1.0))
    # Positions of the targets in the flat logits; one index array is fast.
    of_targets = np.asarray(targets, "int64") * rows + np.arange(rows)

    metric = scipy.sparse.eye_array(features) if axes is None else axes.T @ axes

    def loss_and_gradient(parameters):
        parameters = parameters.reshape(num_classes, -1)
        logits = _logits(whitened, parameters.astype("float32"))
        logits -= logits.max(axis=0)
        likelihood = logits.take(of_targets).sum(dtype="float64")
        probabilities = np.exp(logits, out=logits)
        sums = probabilities.sum(axis=0)
        likelihood -= np.log(sums).sum(dtype="float64")
        probabilities /= sums
        errors = probabilities
        errors.ravel()[of_targets] -= 1
        pull = np.zeros_like(parameters)
        pull[:, :-1] = parameters[:, :-1] @ metric / (C * rows)
        gradient = _product(errors, whitened).astype("float64") / rows + pull
        loss = np.vdot(parameters, pull) / 2 - likelihood / rows
        return loss, gradient.ravel()

    found = scipy.optimize.minimize(
        loss_and_gradient,
        np.zeros(num_classes * whitened.shape[1]),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": max_iterations,
            "maxfun": 2 * max_iterations,
            "gtol": tolerance,
            # Stop only by the gradient.
            "ftol": 0.0,
        },
    )
    parameters = found.x.reshape(num_classes, -1)
    weights = parameters[:, :-1]
    weights = weights if axes is None else weights @ axes.T
    return weights, parameters[:, -1] - weights @ mean, int(found.nit)


# With the TensorFlow backend, products are TensorFlow's: twice as fast as NumPy's for
# few rows against many. They are not slower on a busy machine, since waiting threads do
# not spin.


def _kept(x: np.ndarray) -> Any:
    """Rows in the form that products need."""
    if not backends.is_tensorflow():
        return x
    with tf.device("CPU:0"):
        return tf.constant(x)


def _product(a: Any, b: Any, transpose: bool = False) -> np.ndarray:
    """`a b`, or `a^T b`."""
    if not backends.is_tensorflow():
        with one_thread():
            return (a.T if transpose else a) @ b
    with tf.device("CPU:0"):
        return tf.matmul(a, b, transpose_a=transpose).numpy()


def _logits(x: Any, parameters: np.ndarray) -> np.ndarray:
    """Logits `(num_classes, rows)`."""
    # Classes come first, since sums over them are fast along the rows.
    if not backends.is_tensorflow():
        return _product(parameters, x.T)
    with tf.device("CPU:0"):
        logits = tf.matmul(x, parameters, transpose_b=True)
        # The product with the other order is slower than this one and a transposition.
        return tf.transpose(logits).numpy()


def _whitening(centred: np.ndarray, penalty: float) -> np.ndarray | None:
    """Axes `(features, features)` on which rows have a covariance of about one.

    Directions that the penalty shrinks are stretched less, since they matter little.
    Returns `None`, for unchanged axes, if there are too many features.
    """
    rows, features = centred.shape
    if features > _MOST_WHITENED:
        return None
    products = _product(centred, centred, transpose=True)
    covariance = products.astype("float64") / rows
    variances, directions = np.linalg.eigh(covariance)
    # With the factor 100, half digits take half as many iterations as with 1.
    return directions / np.sqrt(np.maximum(variances, 0.0) + 100 * penalty)
