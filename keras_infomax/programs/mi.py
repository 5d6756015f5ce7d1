"""Estimates the mutual information of columns of a table, and says what to doubt.

    keras-infomax mi table.csv --x=age,income --y=spending
    keras-infomax mi table.csv --x=a --y=b --z=c,d --method=ksg --groups=patient

The table is a CSV file whose first line names the columns. Columns of numbers with a
point or exponent are continuous; whole numbers of few values, and words, are classes.
"""

from absl import flags

from keras_infomax.programs import mistakes

READS = {"TABLE": ""}
WRITES = {"output": "", "plot": ""}
POSITIONAL = ("TABLE",)
FLAGS = flags.FlagValues()
_X = flags.DEFINE_list(
    "x", None, "Columns of x, separated by commas.", FLAGS, required=True
)
_Y = flags.DEFINE_list("y", None, "Columns of y.", FLAGS, required=True)
_Z = flags.DEFINE_list("z", None, "Columns to condition on.", FLAGS)
_GROUPS = flags.DEFINE_string(
    "groups", None, "Column that says which rows depend on each other.", FLAGS
)
_METHOD = flags.DEFINE_string(
    "method", "infonce", "Bound, or ksg or gaussian; see estimate_mi.", FLAGS
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Decides splits and weights.", 0, 2**32 - 1, FLAGS
)
_STEPS = flags.DEFINE_integer(
    "steps", None, "Most steps of each training; 4,000 by default.", 0, None, FLAGS
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "JSON file for the result; none by default.", FLAGS
)
_PLOT = flags.DEFINE_string("plot", None, "Picture of the course; none.", FLAGS)


def main(table: str) -> None:
    """Estimates."""
    import json

    from keras_infomax import checks, estimation, files
    from keras_infomax.plots import drawing

    groups = [_GROUPS.value] if _GROUPS.value else []
    with mistakes.of_the_command():
        for flag in (_X, _Y):
            checks.names(f"--{flag.name}", flag.value or [""])
        if _PLOT.value:
            drawing.check_format(_PLOT.value)
        x, y, z, g = estimation.read_csv(
            table, _X.value, _Y.value, _Z.value or [], groups
        )
    estimate = estimation.estimate_mi(
        x,
        y,
        _METHOD.value,
        z=z if _Z.value else None,
        groups=g[_GROUPS.value] if _GROUPS.value else None,
        seed=_SEED.value,
        steps=_STEPS.value,
    )
    low, high = estimate.interval
    print(
        f"mutual information      {estimate.value:.4f} nats = {estimate.bits:.4f} bits"
    )
    print(f"{estimate.level:.0%} interval            [{low:.4f}, {high:.4f}] nats")
    if estimate.ceiling < float("inf"):
        print(f"ceiling of {estimate.method:<13}{estimate.ceiling:.4f} nats")
    if estimate.p_value == estimate.p_value:
        print(f"p value, independence   {estimate.p_value:.4f}")
    print(f"rows                    {estimate.rows}")
    for warning in estimate.warnings:
        print(f"doubt: {warning}")
    if _OUTPUT.value:
        files.write_text(_OUTPUT.value, json.dumps(estimate.as_dict(), indent=2) + "\n")
        print(_OUTPUT.value)
    if _PLOT.value:
        drawing.save(estimate.plot(), _PLOT.value)
        print(_PLOT.value)
