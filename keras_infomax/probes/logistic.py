"""The linear probe: how well a linear classifier reads what an encoder encodes."""

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


class LogisticProbe(Probe):
    """Multinomial logistic regression on encodings scaled to [0, 1].

    The protocol of Tschannen et al.: each feature is scaled so that the training
    encodings span [0, 1], then a linear classifier with an L2 penalty is fitted,

        minimise  ||W||^2 / 2 - C * sum_i log softmax(W z_i + b)[label_i]

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
        C: Positive float, the weight of the data against the penalty. Defaults to 10,
            as in the paper.
        solver: `"lbfgs"`, or `"saga"` for that of scikit-learn.
        tolerance: The solver's tolerance: of the gradient in whitened coordinates, or
            SAGA's of the change of weights.

    Attributes:
        pipeline: The fitted scikit-learn pipeline, from flat encodings to labels, or
            `None` before `fit`.

    Raises:
        ValueError: If `C` is not positive, or the solver is unknown.

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
        super().__init__()
        checks.positive_number(
            "C", C, 10.0, "Smaller values penalise large weights more."
        )
        checks.one_of("solver", solver, ("lbfgs", "saga"))
        checks.positive_number("tolerance", tolerance, TOLERANCE)
        self.C = C
        self.solver = solver
        self.tolerance = tolerance
        self.pipeline: Any = None

    def _fit(self, x, targets):
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import MinMaxScaler

        assert self.classes is not None
        regression = LogisticRegression(
            C=self.C,
            solver=self.solver,
            tol=self.tolerance,
            max_iter=MAX_ITERATIONS,
            random_state=0,
        )
        scaler = MinMaxScaler()
        with one_thread():
            scaled = scaler.fit_transform(flat(x))
            if self.solver == "saga":
                regression.fit(scaled, self.classes[targets])
            else:
                self._solve(regression, scaled, targets)
        self.pipeline = make_pipeline(scaler, regression)

    def _solve(self, regression, scaled, targets):
        """Gives a regression of scikit-learn the weights that its own L-BFGS seeks."""
        assert self.classes is not None
        two = len(self.classes) == 2
        weights, intercept, iterations = softmax_regression.fit(
            scaled,
            targets,
            len(self.classes),
            # Shared by two vectors, the penalty of one is half as large.
            self.C / 2 if two else self.C,
            self.tolerance,
            MAX_ITERATIONS,
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
