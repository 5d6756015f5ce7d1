"""Judges frozen encodings by how well a simple supervised model reads them.

`encode` turns views into encodings and makes sure that looking did not change the
encoder. A probe is then an object with `fit(x, labels)`, `predict(x)` and
`score(x, labels)`, whose score is an accuracy; it knows nothing of encoders. Fitted on
raw views instead of encodings, the same probe gives the pixel baseline.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

# The largest gradient entry of the mean log-likelihood at which L-BFGS stops. On 60,000
# half digits ten times more moves the test accuracy by 0.005, ten times less by 0.0005.
TOLERANCE = 1e-4

# Half digits and their encodings take 80 to 550 iterations: a guard, not a budget.
MAX_ITERATIONS = 10_000


def encode(encoder: keras.Layer, views: Any, batch_size: int = 1000) -> np.ndarray:
    """Encodes views in inference mode and checks that the encoder stood still.

    Runs on the local device and takes part in no collective, so a callback may call it
    while `fit` runs under a `tf.distribute` strategy.

    Args:
        encoder: Keras model or layer from views to encodings.
        views: Array of shape `(rows, ...)`. Floats are cast to float32.
        batch_size: Number of rows encoded at once; bounds the memory, not the result.

    Returns:
        Encodings, a float32 array of shape `(rows, dim)`.

    Raises:
        ValueError: If there are no rows, if `batch_size` is not a positive integer, or
            if the encodings are not of shape `(rows, dim)` or not all finite.
        RuntimeError: If encoding moved a variable of the encoder: a weight, a statistic
            of a batch normalisation, the seed of a dropout.

    Example:
    >>> encoder = keras.Sequential([keras.layers.Dense(8)])
    >>> encode(encoder, np.ones((5, 3))).shape
    (5, 8)
    """
    views = np.asarray(views)
    if views.ndim < 2 or not len(views):
        raise ValueError(
            f"views must have shape (rows, ...) with at least one row; got shape "
            f"{views.shape}. Give a batch of views, not a single one."
        )
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(
            f"batch_size must be a positive integer; got {batch_size!r}. Give the "
            "number of rows that fit into memory at once, such as 1000."
        )
    if np.issubdtype(views.dtype, np.floating):
        views = views.astype("float32", copy=False)
    row_shape, dtype = views.shape[1:], views.dtype.name
    if not encoder.built:
        # A symbolic call creates the variables without touching their values.
        encoder(keras.Input(row_shape, dtype=dtype), training=False)

    # One graph for all batches, the remainder included. Concrete, because TensorFlow
    # would warn of retracing when probe after probe traces a new function.
    @tf.function(input_signature=[tf.TensorSpec((None, *row_shape), dtype)])
    def trace(batch):
        return encoder(batch, training=False)

    encode_batch = trace.get_concrete_function()
    shape = encode_batch.output_shapes
    if not isinstance(shape, tf.TensorShape) or shape.rank != 2:
        raise ValueError(
            f"encoder must return encodings of shape (rows, dim); got {shape}. End it "
            "with a pooling or flattening layer, or probe one of its outputs."
        )
    before = [(variable, _state(variable)) for variable in encoder.variables]
    batches = [
        encode_batch(tf.constant(views[start : start + batch_size])).numpy()
        for start in range(0, len(views), batch_size)
    ]
    moved = [variable.path for variable, old in before if _state(variable) != old]
    if moved:
        raise RuntimeError(
            f"Encoding moved {len(moved)} variable(s) of encoder {encoder.name!r}, "
            f"first {moved[0]!r}, although it was called with training=False: its "
            "accuracy would not be that of a frozen encoder. Find the layer that "
            "updates its variables without asking `training`."
        )
    encodings = np.concatenate(batches).astype("float32", copy=False)
    finite = np.isfinite(encodings).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"encoder must return finite encodings; got NaN or infinity in "
            f"{np.sum(~finite)} of {len(finite)} rows, first in row "
            f"{np.argmin(finite)}. Look for NaN in the views and in the weights of "
            f"{encoder.name!r}."
        )
    return encodings


def _state(variable: keras.Variable) -> bytes:
    """Returns the value bit by bit, so that NaN equals itself."""
    return keras.ops.convert_to_numpy(variable).tobytes()


def check_labelled(name: str, x: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns labelled rows as arrays that a probe can use, or says why it cannot.

    Args:
        name: What to call the pair in messages.
        x: Finite numbers of shape `(rows, ...)`.
        labels: Integers of shape `(rows,)`.

    Returns:
        `x` as float32 and `labels`, both arrays; not copied where they are already.

    Raises:
        ValueError: If either has another shape or type, if their rows differ in number
            or are none, or if a value of `x` is not finite in float32.
    """
    x = _finite_rows(name, x)
    labels = np.asarray(labels)
    if labels.shape != x.shape[:1]:
        raise ValueError(
            f"{name} must have one label a row, shape ({len(x)},); got labels of shape "
            f"{labels.shape}. Take labels and rows from the same examples, and flatten "
            "a column of labels with labels.reshape(-1)."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name} must have integer labels; got {labels.dtype}. Number the classes, "
            "for instance with np.unique(labels, return_inverse=True)[1]."
        )
    return x, labels


def _finite_rows(name: str, x: Any) -> np.ndarray:
    with np.errstate(over="ignore"):
        x = np.asarray(x, "float32")
    if x.ndim < 2 or not x.size:
        raise ValueError(
            f"{name} must have shape (rows, ...) with at least one row; got shape "
            f"{x.shape}. Give a batch of views or encodings."
        )
    finite = np.isfinite(x)
    if not finite.all():
        raise ValueError(
            f"{name} must be finite in float32; got NaN or infinity in "
            f"{np.sum(~finite)} of {x.size} values. Clean or rescale the rows."
        )
    return x


class LogisticProbe:
    """Multinomial logistic regression on encodings scaled to [0, 1].

    The protocol of Tschannen et al.: each feature is scaled so that the training
    encodings span [0, 1], then a linear classifier with an L2 penalty is fitted,

        minimise  ||W||^2 / 2 - C * sum_i log softmax(W z_i + b)[label_i]

    over the scaled encodings `z_i`. The optimum is unique; scikit-learn's L-BFGS finds
    it from zero in one thread, so that the same encodings always give the same
    accuracy, bit by bit. On two busy cores one thread is also the fastest choice.

    A feature whose training range is below ten times the float32 epsilon (1.2e-6)
    counts as constant: it becomes 0 (within that range) and does not contribute. Old
    versions of scikit-learn, such as the one behind the published figures, stretched
    even a range of 1e-9 to [0, 1]; on nearly lossless encodings of digits, whose border
    pixels are constant, that alone added one percentage point.

    The paper's notebook did not solve to convergence: it used scikit-learn's SAGA with
    a tolerance of 0.1, which stops after a few passes over the data. Where features
    are nearly collinear, as under its MLP critic, that alone costs several points;
    `solver="saga", tolerance=0.1` repeats it.

    Args:
        C: Positive float, the weight of the data against the penalty. Defaults to 10,
            as in the paper.
        solver: Solver of scikit-learn's logistic regression, `"lbfgs"` or `"saga"`.
        tolerance: The solver's tolerance.

    Attributes:
        pipeline: The fitted scikit-learn pipeline, from flat encodings to labels, or
            `None` before `fit`.

    Raises:
        ValueError: If `C` is not positive.

    Example:
    >>> x = np.array([[0.0, 7.0], [1.0, 7.0], [4.0, 7.0], [5.0, 7.0]])
    >>> probe = LogisticProbe().fit(x, labels=[0, 0, 1, 1])
    >>> probe.predict([[2.0, 7.0], [3.0, 7.0]])
    array([0, 1])
    >>> probe.score(x, labels=[0, 0, 1, 0])
    0.75

    Reference:
        Tschannen et al., 2020, "On Mutual Information Maximization for Representation
        Learning", Section 3. https://arxiv.org/abs/1907.13625
    """

    def __init__(
        self, C: float = 10.0, solver: str = "lbfgs", tolerance: float = TOLERANCE
    ):
        if not C > 0:
            raise ValueError(
                f"C must be positive; got {C!r}. Smaller values penalise large weights "
                "more; the paper uses 10."
            )
        self.C = C
        self.solver = solver
        self.tolerance = tolerance
        self.pipeline: Any = None

    def fit(self, x: Any, labels: Any) -> "LogisticProbe":
        """Fits scaling and classifier, forgetting any earlier fit.

        Args:
            x: Encodings or views of shape `(rows, ...)`, flattened to vectors.
            labels: Integer classes of shape `(rows,)`, at least two different ones.

        Returns:
            The probe itself.

        Raises:
            ValueError: If `x` and `labels` do not describe labelled finite rows, or if
                they hold one class only.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import MinMaxScaler, StandardScaler

        x, labels = check_labelled("x", x, labels)
        check_classes("labels", labels)
        regression = LogisticRegression(
            C=self.C,
            solver=self.solver,
            tol=self.tolerance,
            max_iter=MAX_ITERATIONS,
            random_state=0,
        )
        # Centring moves the optimum only along the unpenalised intercept, and spares
        # L-BFGS three iterations in four on the encodings of ReLU networks. Where
        # SAGA is stopped early, it must start where the notebook's did.
        centring = [StandardScaler(with_std=False)] if self.solver == "lbfgs" else []
        pipeline = make_pipeline(MinMaxScaler(), *centring, regression)
        with _one_thread():
            self.pipeline = pipeline.fit(x.reshape(len(x), -1), labels)
        return self

    def predict(self, x: Any) -> np.ndarray:
        """Returns the most probable class of each row, shape `(rows,)`.

        Args:
            x: Encodings or views as wide as those given to `fit`.

        Raises:
            ValueError: If the probe is not fitted, or if `x` has another width or holds
                values that are not finite.
        """
        if self.pipeline is None:
            raise ValueError(
                "LogisticProbe must be fitted before it predicts or scores; got an "
                "unfitted one. Call fit(x, labels) on training encodings first."
            )
        x = _finite_rows("x", x)
        x = x.reshape(len(x), -1)
        if x.shape[1] != self.pipeline.n_features_in_:
            raise ValueError(
                f"x must have {self.pipeline.n_features_in_} features a row, as in "
                f"fit; got {x.shape[1]}. Encode training and test rows alike."
            )
        with _one_thread():
            return self.pipeline.predict(x)

    def score(self, x: Any, labels: Any) -> float:
        """Returns the accuracy, the share of rows in [0, 1] whose class is predicted.

        Args:
            x: Encodings or views as wide as those given to `fit`.
            labels: Integer classes of shape `(rows,)`.

        Raises:
            ValueError: If the probe is not fitted, if `x` has another width, or if `x`
                and `labels` do not describe labelled finite rows.
        """
        x, labels = check_labelled("x", x, labels)
        return float(np.mean(self.predict(x) == labels))


def check_classes(name: str, labels: np.ndarray) -> None:
    """Raises a `ValueError` unless the labels hold at least two classes."""
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(
            f"{name} must hold at least two classes; got only class {classes[0]}. "
            "Shuffle the examples before taking a part of them."
        )


def _one_thread() -> Any:
    """Keeps BLAS and OpenMP to one thread inside a `with` block.

    A second thread spins instead of helping when the cores are busy: measured 30 times
    slower. It would also make sums, hence accuracies, depend on the machine's load.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
