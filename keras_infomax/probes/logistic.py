"""The linear probe: how well a linear classifier reads what an encoder encodes."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_infomax import checks
from keras_infomax.probes import softmax_regression
from keras_infomax.probes.probe import Probe, flat
from keras_infomax.probes.threads import one_thread

# The largest gradient entry of the mean log-likelihood at which L-BFGS stops, in
# whitened coordinates. On half digits and half MNIST, pixels and encodings, a hundred
# times less changes the class of two in 10,000 test rows at most.
TOLERANCE = 1e-5

# Half digits and their encodings take 40 to 160 iterations: a guard, not a budget.
MAX_ITERATIONS = 10_000

SCALERS = ("min_max", "standardized", "whitened")

# Of the variance, by whitening: directions that hold less are rounding errors.
_LEFT_OUT = 1e-6

# Rows that choose C are these parts in turn.
_FOLDS = 3


class LogisticProbe(Probe):
    """Multinomial logistic regression on scaled encodings, to [0, 1] by default.

    The protocol of Tschannen et al.: each feature is scaled so that the training
    encodings span [0, 1], then a linear classifier with an L2 penalty is fitted,

        minimize  ||W||^2 / 2 - C * sum_i log softmax(W z_i + b)[label_i]

    over the scaled encodings `z_i`, of two classes with one vector W for the second.
    The optimum is unique; L-BFGS finds it from zero, and the same encodings always give
    the same accuracy, bit by bit. See `softmax_regression` for what makes it fast.

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
        C: Positive float, the weight of the data against the penalty, or several, of
            which three-fold cross-validation on the training rows chooses the one with
            the highest accuracy, the smallest of equals. Defaults to 10, as in the
            paper.
        solver: `"lbfgs"`, or `"saga"` for that of scikit-learn.
        tolerance: The solver's tolerance: of the gradient in whitened coordinates, or
            SAGA's of the change of weights.
        scaler: `"min_max"`, `"standardized"` (a mean of 0 and a deviation of 1 for each
            feature) or `"whitened"` (a covariance of 1 on the principal axes, without
            the last that hold a millionth of the variance). The optimum depends on it
            only by the penalty; a solver that stops early depends on it entirely.
        max_iterations: Most iterations of the solver; of SAGA, passes over the rows.
        seed: Seed of the order in which SAGA visits rows. The converged probe has none.

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
        """The C whose fits on two thirds of the rows are most accurate on the rest."""
        # Row i is in part i modulo the number of parts, of its class: all hold all.
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
                    # To stop it there is what was asked for.
                    warnings.simplefilter("ignore", ConvergenceWarning)
                regression.fit(scaled, self.classes[targets])
        else:
            self._solve(regression, scaled, targets)
        return regression

    def _solve(self, regression, scaled, targets):
        """Gives a regression of scikit-learn the weights that its own L-BFGS seeks."""
        assert self.classes is not None
        two = len(self.classes) == 2
        weights, intercept, iterations = softmax_regression.fit(
            scaled,
            targets,
            len(self.classes),
            # Shared by two vectors, the penalty of one is half as large.
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
        # Of two classes scikit-learn gives the second's log-odds alone.
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
