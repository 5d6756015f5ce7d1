"""The linear probe: accuracy of a linear classifier on encodings."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_infomax import checks
from keras_infomax.probes import softmax_regression
from keras_infomax.probes.probe import Probe, flat
from keras_infomax.probes.threads import one_thread

# L-BFGS stops if no gradient entry of the mean log-likelihood is larger, in whitened
# coordinates. For pixels and encodings of half digits and half MNIST, a tolerance a
# hundred times smaller changes the class of at most two in 10,000 test rows.
TOLERANCE = 1e-5

# A safeguard: half digits and their encodings take 40 to 160 iterations.
MAX_ITERATIONS = 10_000

SCALERS = ("min_max", "standardized", "whitened")

# Fraction of the variance that whitening leaves out as rounding errors.
_LEFT_OUT = 1e-6

# Number of parts for the choice of C by cross-validation.
_FOLDS = 3


class LogisticProbe(Probe):
    """Multinomial logistic regression on scaled encodings, to [0, 1] by default.

    This is the protocol of Tschannen et al.: each feature is scaled so that the
    training encodings span [0, 1], then a linear classifier with an L2 penalty is
    fitted,

        minimize  ||W||^2 / 2 - C * sum_i log softmax(W z_i + b)[label_i]

    over the scaled encodings `z_i`. With two classes, W is one vector, for the second
    class. The optimum is unique. L-BFGS starts at zero, and the same encodings always
    give the same accuracy, bit by bit. `softmax_regression` explains why it is fast.

    A feature whose training range is below ten times the float32 epsilon (1.2e-6)
    counts as constant: it becomes 0 (within that range) and does not contribute. Old
    versions of scikit-learn, such as the one used for the published figures, stretched
    even a range of 1e-9 to [0, 1]. This alone added one percentage point for nearly
    lossless encodings of digits, whose border pixels are constant.

    The paper's notebook did not run to convergence: it used scikit-learn's SAGA with a
    tolerance of 0.1, which stops after a few passes over the data. This alone costs
    several percentage points if features are nearly collinear, as with its MLP critic.
    `solver="saga", tolerance=0.1` reproduces it.

    Args:
        C: Positive float, the weight of the data relative to the penalty; or a list of
            floats. From a list, three-fold cross-validation on the training rows
            chooses the value with the highest accuracy, and the smallest of equals.
            Defaults to 10, as in the paper.
        solver: `"lbfgs"`, or `"saga"` for scikit-learn's SAGA.
        tolerance: Tolerance of the solver: of the gradient in whitened coordinates for
            L-BFGS, of the change of weights for SAGA.
        scaler: `"min_max"`, `"standardized"` (a mean of 0 and a deviation of 1 for each
            feature) or `"whitened"` (a covariance of 1 on the principal axes, without
            the last axes, which hold a millionth of the variance). The optimum depends
            on the scaling only through the penalty; the result of a solver that stops
            early depends on it strongly.
        max_iterations: Largest number of iterations of the solver; for SAGA, passes
            over the rows.
        seed: Seed of the order in which SAGA visits rows. L-BFGS uses no seed.

    Attributes:
        chosen_C: The C of the fit.
        pipeline: The fitted scikit-learn pipeline, from flat encodings to labels, or
            `None` before `fit`.

    Raises:
        ValueError: If a `C` or `max_iterations` is not positive, or solver or scaler is
            unknown.

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
        self,
        C: float | Sequence[float] = 10.0,
        solver: str = "lbfgs",
        tolerance: float = TOLERANCE,
        scaler: str = "min_max",
        max_iterations: int = MAX_ITERATIONS,
        seed: int = 0,
    ):
        super().__init__()
        weights = C if isinstance(C, (list, tuple)) and C else (C,)
        for weight in weights:
            checks.positive_number(
                "C", weight, 10.0, "Smaller values penalize large weights more."
            )
        checks.one_of("solver", solver, ("lbfgs", "saga"))
        checks.positive_number("tolerance", tolerance, TOLERANCE)
        checks.one_of("scaler", scaler, tuple(SCALERS))
        checks.positive_integer("max_iterations", max_iterations, MAX_ITERATIONS)
        self.C = C
        self.solver = solver
        self.tolerance = tolerance
        self.scaler = scaler
        self.max_iterations = max_iterations
        self.seed = checks.seed("seed", seed)
        self.chosen_C: float | None = None
        self.pipeline: Any = None

    def _fit(self, x, targets):
        from sklearn.pipeline import make_pipeline

        with one_thread():
            scaler = _make_scaler(self.scaler)
            scaled = scaler.fit_transform(flat(x)).astype("float32")
            if isinstance(self.C, Sequence):
                self.chosen_C = self._choose(scaled, targets, sorted(self.C))
            else:
                self.chosen_C = self.C
            regression = self._regression(scaled, targets, self.chosen_C)
        self.pipeline = make_pipeline(scaler, regression)

    def _choose(self, scaled, targets, weights):
        """The C with the highest accuracy in cross-validation."""
        # Row i of a class is in part i modulo the number of parts, so parts are
        # stratified.
        order = np.argsort(targets, kind="stable")
        fold = np.empty(len(targets), "int64")
        fold[order] = np.arange(len(targets)) % _FOLDS

        classes = np.asarray(self.classes)

        def accuracy(C):
            right = 0
            for held_out in range(_FOLDS):
                fitting, judging = fold != held_out, fold == held_out
                regression = self._regression(scaled[fitting], targets[fitting], C)
                predicted = regression.predict(scaled[judging])
                right += np.sum(predicted == classes[targets[judging]])
            return right

        # `max` returns the first of equals.
        return max(weights, key=accuracy)

    def _regression(self, scaled, targets, C):
        """A regression of scikit-learn, fitted to scaled rows."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        assert self.classes is not None
        regression = LogisticRegression(
            C=C,
            solver=self.solver,
            tol=self.tolerance,
            max_iter=self.max_iterations,
            random_state=self.seed,
        )
        if self.solver == "saga":
            with warnings.catch_warnings():
                if self.max_iterations < MAX_ITERATIONS:
                    # The user chose to stop early.
                    warnings.simplefilter("ignore", ConvergenceWarning)
                regression.fit(scaled, self.classes[targets])
        else:
            self._solve(regression, scaled, targets)
        return regression

    def _solve(self, regression, scaled, targets):
        """Sets a regression of scikit-learn to the optimum of its own objective."""
        assert self.classes is not None
        two = len(self.classes) == 2
        weights, intercept, iterations = softmax_regression.fit(
            scaled,
            targets,
            len(self.classes),
            # Two opposite vectors share the penalty, so that of one vector is half.
            regression.C / 2 if two else regression.C,
            self.tolerance,
            self.max_iterations,
        )
        regression.classes_ = self.classes
        regression.coef_ = weights[1:] - weights[:1] if two else weights
        regression.intercept_ = intercept[1:] - intercept[:1] if two else intercept
        regression.n_iter_ = np.array([iterations])

    def _logits(self, x):
        with one_thread():
            logits = self.pipeline.decision_function(flat(x))
        # For two classes, scikit-learn returns only the log-odds of the second.
        if logits.ndim == 1:
            return np.stack([np.zeros_like(logits), logits], axis=1)
        return logits


def _make_scaler(name: str) -> Any:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    if name == "min_max":
        return MinMaxScaler()
    if name == "standardized":
        return StandardScaler()
    return PCA(n_components=1 - _LEFT_OUT, whiten=True, svd_solver="full")
