"""`keras-infomax mi`, on a table of known mutual information."""

import copy
import json
import math

import numpy as np
import pytest
from run_checks import finish, start

from keras_infomax import distributions, estimation
from keras_infomax.programs import mi
from keras_infomax.programs.mistakes import UsageError


def test_a_table_is_estimated(tmp_path):
    x, y = distributions.gaussian(2, 0.7).sample(400, seed=1)
    table = tmp_path / "table.csv"
    lines = ["a,b,c,d,group"]
    for i, row in enumerate(np.hstack([x, y])):
        lines.append(",".join([*map(str, row), f"g{i // 4}"]))
    table.write_text("\n".join(lines) + "\n")
    output, picture = tmp_path / "mi.json", tmp_path / "mi.png"
    code, printed, _ = finish(
        start(
            *("keras_infomax", "mi", str(table), "--x=a,b", "--y=c,d"),
            *("--steps=0", "--groups=group", f"--output={output}"),
            f"--plot={picture}",
        )
    )
    assert code == 0
    found = json.loads(output.read_text())
    truth = -math.log(1 - 0.49)
    assert found["interval"][0] < truth < found["interval"][1]
    assert f"{found['value']:.4f} nats = {found['bits']:.4f} bits" in printed
    assert f"p value, independence   {found['p_value']:.4f}" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_a_table_does_not_have_is_a_mistake_of_the_command(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("age,income\n1.5,2.5\n")
    for arguments, message in (
        (["--x=ag", "--y=income"], "There is no column 'ag' in .* mean 'age'"),
        (["--x=age", "--y="], "--y must be names"),
        (["--x=age", "--y=income", "--plot=a.xyz"], "ending in one of .*'a.xyz'"),
    ):
        flags = copy.deepcopy(mi.FLAGS)
        flags(["", *arguments])
        # The holders of the module read the module's own flags.
        for name in ("x", "y", "plot"):
            mi.FLAGS[name].value = flags[name].value
        mi.FLAGS.mark_as_parsed()
        with pytest.raises(UsageError, match=message):
            mi.main(str(table))
    table.write_bytes(b"\xff\xfe,\n")
    with pytest.raises(ValueError, match="must be a table as text in UTF-8"):
        estimation.read_csv(table, ["a"])
