"""The estimate: splits, trainings, held-out bounds, and warnings."""

import dataclasses
import math
import sys
import time
from typing import Any

import keras
import numpy as np

from keras_infomax import checks
from keras_infomax.estimation import (
    columns,
    density_ratios,
    doubts,
    evaluation,
    references,
)
from keras_infomax.estimation.critic import Fixed, Progress, Side, Trained
from keras_infomax.estimation.infonce import symmetric_infonce
from keras_infomax.estimation.result import MIEstimate

METHODS = (*evaluation.ESTIMATORS, "ksg", "gaussian")
_FEWEST = 50
# Number of training rows over which the baseline of a row is averaged.
_FOR_BASELINES = 4096


def estimate_mi(
    x: Any,
    y: Any = None,
    method: str = "infonce",
    z: Any = None,
    groups: Any = None,
    seed: int = 0,
    margins: str = "copula",
    folds: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    level: float = 0.95,
    permutations: int | None = None,
    encoder_x: Any = None,
    encoder_y: Any = None,
    verbose: bool | str = "auto",
) -> MIEstimate:
    """Estimates the mutual information I(X; Y) of the columns of two arrays or tables.

    A critic is trained on some rows and evaluated on others, in turn, so that each row
    is held out once. Its score is a log density ratio plus the output of a network. The
    density ratio is that of Gaussians with the same correlations or, where it does
    better on the training rows, that of a Student-t distribution. The critic is always
    trained by InfoNCE in both directions, whose gradient has the smallest variance. The
    method chooses the bound of the held-out scores that is the estimate:

    - `"infonce"`: low variance, never above the log of the number of held-out rows.
    - `"donsker_varadhan"`, `"nwj"`, `"tuba"`: no ceiling, and a variance that grows
      exponentially with the mutual information.
    - `"interpolated"`: I_alpha with alpha = 0.01, a high ceiling.
    - `"smile"`: clipped, not a lower bound.
    - `"jensen_shannon_information"`: low variance, too low for large values.
    - `"ksg"`: nearest neighbors, for few columns; no training.
    - `"gaussian"`: canonical correlations, for linear dependence; no training.

    Except for `"smile"` and the last two, these are lower bounds: they lack any
    information that the critic has not learned. The interval accounts for sampling
    only, so it covers the information that the critic has learned. Read `warnings`
    first.

    Args:
        x: Array `(rows,)` or `(rows, columns)`, or a table; images `(rows, height,
            width, channels)`; or a `tf.data.Dataset` of pairs, without y. Floats are
            continuous. Integers of up to 64 values, booleans, texts and categories are
            classes.
        y: The same; row i of x and row i of y are one pair.
        method: See above.
        z: Columns to condition on, for I(X; Y | Z) = I(X; Y, Z) - I(X; Z).
        groups: `(rows,)`, a number or text for each row. Rows of one group depend on
            each other: they are held out together, and are not negatives of each other.
        seed: Integer seed of splits, weights and batches.
        margins: Map of each continuous column, which does not change the mutual
            information: `"copula"`, by ranks to a Gaussian; `"standard"`, to unit
            variance; or `"none"`. A Student-t distribution is tried with ranks only.
        folds: Number of parts that are held out in turn; 1 holds out a fifth once.
            Defaults to 5 up to 4,000 rows, 3 up to 20,000, and 1 for more.
        steps: Largest number of steps of each training. It stops early on validation
            rows, a tenth of the training rows. With 0, the critic is the density ratio
            without a network. Defaults to 4,000.
        batch_size: Pairs in a batch. Defaults to 512, or a fifth of the rows.
        level: Confidence level of the interval.
        permutations: Number of permutations of y in the test of independence; 0 for no
            test. Defaults to 200. There is no test with `z`, for `"ksg"`, and for
            `"gaussian"` with `groups`; then `p_value` is NaN.
        encoder_x: Keras model from x to vectors, built for its columns or images.
            Defaults to two layers, or a small convnet for images.
        encoder_y: The same for y.
        verbose: Whether to show the progress; `"auto"` for a terminal only.

    Returns:
        `MIEstimate`: `value` in nats, `bits`, `interval`, `ceiling`, `warnings`,
        `p_value`, `bounds`, `history`, `plot()`.

    Raises:
        ValueError: If x and y have different numbers of rows, fewer than 50 rows, or
            missing values; if an option is unknown or would have no effect.

    Example:
    >>> from keras_infomax import distributions
    >>> x, y = distributions.gaussian(correlation=0.8).sample(2000, seed=1)
    >>> estimate = estimate_mi(x, y, method="gaussian")
    >>> abs(estimate.value - 0.5108) < 0.05, estimate.p_value < 0.01
    (True, True)

    Reference:
        Poole et al., 2019, "On Variational Bounds of Mutual Information",
        https://arxiv.org/abs/1905.06922; McAllester and Stratos, 2020, "Formal
        Limitations on the Measurement of Mutual Information",
        https://arxiv.org/abs/1811.04251.
    """
    start = time.monotonic()
    options = _Options(
        checks.one_of("method", method, METHODS),
        checks.seed("seed", seed),
        checks.one_of("margins", margins, ("copula", "standard", "none")),
        checks.positive_integer("folds", folds, 5, optional=True),
        checks.integer("steps", steps, 0, 4000, optional=True),
        checks.integer("batch_size", batch_size, 2, 512, optional=True),
        checks.probability("level", level, "()", 0.95),
        checks.integer("permutations", permutations, 0, 200, optional=True),
        checks.encoder("encoder_x", encoder_x, optional=True),
        checks.encoder("encoder_y", encoder_y, optional=True),
        checks.one_of("verbose", verbose, (True, False, "auto")),
    )
    if y is None:
        x, y = _of_dataset(x)
    given = {"x": columns.read("x", x), "y": columns.read("y", y)}
    if z is not None:
        given["z"] = columns.read("z", z)
    rows = _checked_rows(given)
    groups = _checked_groups(groups, rows)
    options = _with_effect(options, z is not None, groups is not None)
    if options.method in ("ksg", "gaussian"):
        found = _classical(given, groups, options)
    else:
        found = _variational(given, groups, options)
    return dataclasses.replace(found, seconds=time.monotonic() - start)


@dataclasses.dataclass(frozen=True)
class _Options:
    method: str
    seed: int
    margins: str
    folds: int | None
    steps: int | None
    batch_size: int | None
    level: float
    permutations: int | None
    encoder_x: Any
    encoder_y: Any
    verbose: Any


def _with_effect(options, conditional, grouped):
    """Options with defaults; raises if a given option would have no effect."""
    classical = options.method in ("ksg", "gaussian")
    by_method = f"method={options.method!r}, which trains nothing"
    without = {}
    if classical:
        without = dict.fromkeys(("steps", "folds", "batch_size"), by_method)
        without |= dict.fromkeys(("encoder_x", "encoder_y"), by_method)
    elif options.steps == 0:
        no_network = "steps=0, whose critic is a density ratio without a network"
        without = dict.fromkeys(("batch_size", "encoder_x", "encoder_y"), no_network)
    tested = not (conditional or options.method == "ksg" or (classical and grouped))
    if not tested and options.permutations:
        why = "z" if conditional else by_method if not grouped else "groups"
        without["permutations"] = why + ": there is no test of independence"
    for argument, why in without.items():
        if (value := getattr(options, argument)) is not None:
            raise checks.refusal(
                argument, f"left out with {why}", value, "Leave it at its default."
            )
    return dataclasses.replace(
        options,
        steps=4000 if options.steps is None else options.steps,
        permutations=(
            200 * tested if options.permutations is None else options.permutations
        ),
    )


def _of_dataset(x):
    if isinstance(x, tuple | list) and len(x) == 2:
        raise ValueError(
            "y must be given; received a pair as x. Write estimate_mi(x, y)."
        )
    if not hasattr(x, "element_spec") and not hasattr(x, "as_numpy_iterator"):
        raise checks.refusal(
            "y", "given, or x a tf.data.Dataset of pairs (x, y)", None, "Give y."
        )
    parts: list[tuple[Any, Any]] = []
    batched = None
    for element in x.as_numpy_iterator():
        # Elements of models are ((x, y),).
        pair = (
            element[0] if isinstance(element, tuple) and len(element) == 1 else element
        )
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ValueError(
                "x must be a dataset of pairs (x, y); received other elements. Map it "
                "to pairs."
            )
        if batched is None:
            batched = all(map(_is_batch, keras.tree.flatten(x.element_spec)))
        parts.append(pair)
    if not parts:
        raise ValueError("x must be a dataset of pairs; received an empty one.")
    join = np.concatenate if batched else np.stack
    return tuple(join([np.asarray(pair[i]) for pair in parts]) for i in (0, 1))


def _is_batch(spec):
    """Whether elements are batches: of any size, or of as many axes as batches have.

    A row is a number, a vector or an image. A matrix or a stack of images is a batch.
    """
    return tuple(spec.shape)[:1] == (None,) or len(spec.shape) in (2, 4)


def _checked_rows(given):
    counts = {name: side.rows for name, side in given.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} of {name}" for name, count in counts.items())
        names = " and ".join(counts)
        raise ValueError(
            f"{names} must have the same number of rows, since row i of all belongs to "
            f"one pair; received {told}. Cut them to one length."
        )
    rows = counts["x"]
    if rows < _FEWEST:
        raise ValueError(
            f"x and y must have at least {_FEWEST} rows; received {rows}. Give more "
            "rows."
        )
    return rows


def _checked_groups(groups, rows):
    if groups is None:
        return None
    expected = f"one number or text for each of the {rows} rows"
    advice = "Write, for example, groups=table['patient']."
    try:
        found = np.asarray(groups)
        if found.dtype.kind == "O":
            found = found.astype(str)
    except (TypeError, ValueError) as error:
        raise checks.refusal("groups", expected, groups, advice) from error
    if found.shape != (rows,) or found.dtype.kind not in "iubfUS":
        raise checks.refusal("groups", expected, groups, advice)
    _, codes = np.unique(found, return_inverse=True)
    if codes.max() < 9:
        raise ValueError(
            "groups must have at least 10 values, since some groups are held out; "
            f"received {codes.max() + 1}. Use smaller groups."
        )
    return codes


def _classical(given, groups, options):
    """KSG or Gaussian estimate; with a condition, by the chain rule."""
    if any(side.images is not None for side in given.values()):
        raise ValueError(
            f"x and y must be columns with method={options.method!r}; received images. "
            "Use method='infonce'."
        )
    generator = np.random.default_rng(options.seed)
    rows = given["x"].rows
    every = np.arange(rows)
    order = generator.permutation(rows)
    margins = {
        name: columns.Margins(options.margins).fit(side, every).all(side)[order]
        for name, side in given.items()
    }
    # Ties, as in classes, have no unique nearest neighbor.
    if options.method == "ksg":
        for name, values in margins.items():
            noise = generator.normal(scale=1e-6, size=values.shape)
            margins[name] = values.astype("float64") + noise
    apart = every if groups is None else groups[order]
    x, y = margins["x"], margins["y"]
    if "z" not in given:
        value, error = _one_classical(x, y, apart, options.method)
    else:
        z = margins["z"]
        both = _one_classical(x, np.hstack([y, z]), apart, options.method)
        alone = _one_classical(x, z, apart, options.method)
        value = both[0] - alone[0]
        # The two errors are treated as independent, which is conservative.
        error = math.hypot(both[1], alone[1])
    p_value = math.nan
    if options.permutations:
        drawn = [
            _one_classical(x, y[generator.permutation(rows)], apart, options.method)[0]
            for _ in range(options.permutations)
        ]
        p_value = (1 + np.sum(np.array(drawn) >= value)) / (1 + options.permutations)
    warned = doubts.of_rows(given["x"], given["y"], groups is not None)
    if options.method == "ksg":
        width = x.shape[1] + y.shape[1]
        if value > math.log(rows) / 2:
            warned.append(
                f"Nearest neighbors of {rows} rows cannot distinguish {value:.1f} nats "
                "from more: the estimate is too low. Use method='infonce'."
            )
        if width > 10:
            warned.append(
                f"Nearest neighbors in {width} columns are not close: the estimate is "
                "too low. Use method='infonce'."
            )
    return MIEstimate(
        value,
        _interval(value, error, 20, options.level),
        options.level,
        options.method,
        rows,
        warnings=warned,
        p_value=float(p_value),
    )


def _one_classical(x, y, groups, method):
    if method == "gaussian":
        return references.gaussian(x, y, groups)
    return references.ksg(x, y), references.ksg_error(x, y)


def _variational(given, groups, options):
    rows = given["x"].rows
    generator = np.random.default_rng(options.seed)
    splits = _splits(rows, groups, options.folds, generator)
    targets = [given["y"]]
    if "z" in given:
        targets = [given["y"].beside(given["z"]), given["z"]]
        if given["x"].images is not None:
            raise ValueError("z must be left out with images; encode them first.")
        if options.encoder_y is not None:
            raise ValueError(
                "encoder_y must be left out with z, since y is used with and without "
                "z; received one."
            )
    stream = sys.stderr if _someone_looks(options.verbose) else None
    progress = Progress(stream, len(splits) * len(targets), options.steps)
    runs = [
        _cross_fitted(given["x"], target, groups, splits, options, progress)
        for target in targets
    ]
    progress.end()
    value, error, blocks = _together(runs, options.method)
    held_out = min(len(test) for _, _, test in splits)
    held_out = min(held_out, evaluation.LARGEST)
    ceiling = evaluation.ceiling(options.method, held_out)
    names = list(evaluation.ESTIMATORS) if rows <= 20_000 else [options.method]
    bounds = {name: _value(runs, name) for name in names}
    intervals = {}
    for name in evaluation.quick(held_out) if rows <= 20_000 else ():
        of, deviation, _ = _together(runs, name)
        intervals[name] = _interval(of, deviation, blocks, options.level)
    gap = max(run.gap for run in runs)
    warned = doubts.of_rows(given["x"], given["y"], groups is not None)
    warned += doubts.of_value(
        options.method, value, error, ceiling, bounds, gap, held_out
    )
    p_value = math.nan
    if options.permutations:
        drawn = runs[0].permuted(options.permutations, generator)
        p_value = float(np.mean(drawn >= drawn[0]))
    return MIEstimate(
        value,
        _interval(value, error, blocks, options.level),
        options.level,
        options.method,
        rows,
        ceiling,
        warned,
        bounds,
        intervals,
        [history for run in runs for history in run.histories],
        p_value,
    )


@dataclasses.dataclass(frozen=True)
class _Run:
    """Held-out scores of all parts, and the histories of their trainings."""

    held: list[evaluation.HeldOut]
    histories: list[dict[str, list[float]]]
    gap: float

    def weights(self):
        sizes = np.array([len(held.scores) for held in self.held])
        return sizes / sizes.sum()

    def permuted(self, count, generator):
        drawn = [evaluation.permuted(held, count, generator) for held in self.held]
        return np.sum(self.weights()[:, None] * drawn, axis=0)


def _cross_fitted(x, y, groups, splits, options, progress):
    trained: Any = None
    held, histories, gaps = [], [], []
    for train, validation, test in splits:
        side_x, side_y = _sides(x, y, train, options)
        if not options.steps:
            trained = Fixed()
        elif trained is None:
            trained = Trained(
                side_x, side_y, options.seed, options.encoder_x, options.encoder_y
            )
        size = options.batch_size or max(16, min(512, len(train) // 5))
        size = min(size, len(train))
        histories.append(
            trained.fit(
                side_x, side_y, train, validation, size, options.steps, progress
            )
        )
        progress.next()
        known = train[: min(len(train), len(test))]
        gaps.append(symmetric_infonce(trained.scores(side_x, side_y, known)))
        values = []
        largest = evaluation.largest_score(
            trained.scores(side_x, side_y, validation, train[:_FOR_BASELINES]),
            trained.paired(side_x, side_y, validation),
        )
        for part in _parts(test):
            scores = trained.scores(side_x, side_y, part)
            values.append(symmetric_infonce(scores))
            of_part = part if groups is None else groups[part]
            if groups is not None:
                same = (of_part[:, None] == of_part[None]) & ~np.eye(
                    len(part), dtype=bool
                )
                scores = np.where(same, -np.inf, scores)
            others = train[:_FOR_BASELINES]
            to_others = trained.scores(side_x, side_y, part, others)
            baselines = evaluation.row_baselines(np.minimum(to_others, largest))
            held.append(evaluation.HeldOut(scores, baselines, of_part, largest))
        gaps[-1] -= float(np.mean(values))
    return _Run(held, histories, float(np.mean(gaps)))


def _sides(x, y, train, options):
    """Inputs of the critic for both sides, with maps fitted to the training rows."""
    mapped, numbers = [], []
    for side in (x, y):
        if side.images is not None:
            mapped.append(side.images)
            numbers.append(np.zeros((side.rows, 0), "float32"))
            continue
        margins = columns.Margins(options.margins).fit(side, train)
        mapped.append(margins.all(side))
        numbers.append(mapped[-1])
    # Ranks of numbers can be those of a Student-t, classes cannot.
    ranked = options.margins == "copula" and not (x.classes.size or y.classes.size)
    features = density_ratios.elliptical_features(numbers[0], numbers[1], train, ranked)
    return tuple(Side(v, f) for v, f in zip(mapped, features, strict=True))


def _parts(test):
    count = -(-len(test) // evaluation.LARGEST)
    return [test[i::count] for i in range(count)]


def _splits(rows, groups, folds, generator):
    """Training, validation and held-out rows of each part."""
    codes = np.arange(rows) if groups is None else groups
    found = codes.max() + 1
    if folds is None:
        folds = 5 if rows <= 4000 else 3 if rows <= 20_000 else 1
    if folds > found // 2:
        raise ValueError(
            f"folds must be at most half the number of rows or groups, {found // 2}; "
            f"received {folds}. Write folds=5."
        )
    order = generator.permutation(found)
    parts = [order[i::folds] for i in range(folds)] if folds > 1 else [order[::5]]
    splits = []
    for part in parts:
        others = np.setdiff1d(order, part, assume_unique=True)
        others = others[generator.permutation(len(others))]
        cut = max(1, len(others) // 10)
        splits.append(
            tuple(
                generator.permutation(np.flatnonzero(np.isin(codes, some)))
                for some in (others[cut:], others[:cut], part)
            )
        )
    return splits


def _value(runs, method):
    """The value of the first run minus that of the second, if there are two."""
    values = []
    for run in runs:
        of = [evaluation.ESTIMATORS[method](held) for held in run.held]
        values.append(float(np.sum(run.weights() * of)))
    return values[0] - sum(values[1:])


def _together(runs, method):
    value = _value(runs, method)
    errors = []
    for run in runs:
        of = [evaluation.error(method, held) for held in run.held]
        errors.append(float(np.sqrt(np.sum((run.weights() * of) ** 2))))
    blocks = sum(len(held.blocks()) for held in runs[0].held)
    return value, math.hypot(*errors), blocks


def _interval(value, error, blocks, level):
    half = evaluation.quantile(blocks, level) * error
    return value - half, value + half


def _someone_looks(verbose):
    return sys.stderr.isatty() if verbose == "auto" else bool(verbose)
