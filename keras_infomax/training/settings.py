"""The settings of a run: every key of a config, its default and its meaning."""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_infomax import checks, encoders
from keras_infomax.checks import nearest
from keras_infomax.datasets import image_files

# Settings with their own column in tables of results.
KEY = (
    "figure",
    "dataset",
    "split_seed",
    "encoder",
    "critic",
    "bound",
    "target",
    "batch_size",
    "seed",
    "budget",
    "steps",
)
# Column of all other settings; see `others`.
OTHERS = "settings"
IDENTITY = (*KEY, OTHERS)

SELECTIONS = ("last", "best")

# Paths, which depend on the machine and do not identify a run.
_PLACES = ("data_dir",)
_SEEDS = ("seed", "split_seed")
# Limit of NumPy's seeds, which Keras sets, too.


@dataclasses.dataclass(frozen=True)
class Settings:
    """The keys of a config; the defaults are the paper's setup on embedded digits.

    Args:
        figure: Name of the experiment in tables of results.
        budget: Name of the amount of training there: `"full"`, `"quick"`, `"smoke"`.
        experiment: Name of the experiment, as in `training.EXPERIMENTS`.
        dataset: Data set, as in `datasets.load`; for `dependent`, one of its kinds.
        data_dir: Folder of prepared TensorFlow Datasets; `None` for their default.
        image_size: `(height, width)` to which images are resized; `None` keeps their
            size.
        on_error: `"raise"` an error for unreadable files of a folder, or `"skip"` them.
        max_pixels: Largest number of pixels of an image in a folder.
        max_bytes: Largest number of bytes of all images in memory, or of a file.
        label: Column of a table with the classes, or `None`.
        categorical: Numeric columns of a table that are categories.
        split_seed: Seed of the split into training and test examples, for data without
            splits.
        views: Views of an example, as in `views.get`.
        noise: Standard deviation of Gaussian noise added to the views; the pixels of
            images lie in [0, 1].
        coupled_noise: Whether both views of an example get the same noise, or different
            draws.
        encoder: Encoder, as in `encoders.get`; one for each view. Or what it begins
            with, a path, `hf://...` or `keras_hub:...`, as in `encoders.pretrained`.
        encoder_digest: Digest of what encoders begin with, which `resolve` fills in. A
            run is refused where it has changed. `None` for random weights.
        encoder_units: Sizes of its hidden layers, or its filters; `None` for the
            encoder's own defaults.
        encoding_dim: Size of the encodings; `None` for the encoder's default.
        shared_encoder: Whether one encoder serves both views.
        critic: Critic, as in `critics.get`.
        critic_units: Sizes of its hidden layers; `None` for the critic's defaults.
        temperature: Temperature of a critic that has one; `None` for its default.
        bound: Bound, as in `losses.get`.
        target: Target in nats at which the bound is held; `None` maximizes it.
        batch_size: Rows in a batch, of which all but one are negatives.
        learning_rate: Learning rate of Adam; in `adversarial`, that of the head.
        warm_up_steps: Number of initial steps of only the head, in `adversarial`.
        steps: Training steps, a multiple of `eval_every`.
        eval_every: Steps between evaluations, each of which is a checkpoint.
        jacobian_rows: Number of training examples for the condition number of encoder x
            at every evaluation; 0 for none.
        stopped_probe: Whether every evaluation also fits the linear probe of the
            paper's notebook, which stops its solver early.
        select: The evaluation whose weights the run ends with: `"last"`, or `"best"`,
            the first one with the highest `selection_accuracy`. This is the accuracy of
            a linear probe on a tenth of the training examples, which are used neither
            for training nor to fit a probe. Test examples have no influence.
        chunk_size: Number of rows that an MLP critic scores, and a bound reduces, at a
            time; `None` for all. It limits the memory of large batches.
        encoder_chunk_size: Number of rows that are encoded at a time; `None` for all.
        strategy: Devices to train on, as in `strategies.get`.
        options: Arguments of a method, if `experiment` is one of `methods.METHODS`.
        seed: Seed of initial weights, order of the data, noise, and dropout.
    """

    figure: str = ""
    budget: str = "full"
    experiment: str = "infomax"
    dataset: str = "digits"
    data_dir: str | None = None
    image_size: tuple[int, int] | None = None
    on_error: str = "raise"
    max_pixels: int = image_files.MAX_PIXELS
    max_bytes: int = image_files.MAX_BYTES
    label: str | None = None
    categorical: tuple[str, ...] | None = None
    split_seed: int = 0
    views: str = "halves"
    noise: float = 0.0
    coupled_noise: bool = True
    encoder: str = "mlp"
    encoder_digest: str | None = None
    encoder_units: tuple[int, ...] | None = None
    encoding_dim: int | None = None
    shared_encoder: bool = False
    critic: str = "bilinear"
    critic_units: tuple[int, ...] | None = None
    temperature: float | None = None
    bound: str = "infonce"
    target: float | None = None
    batch_size: int = 128
    learning_rate: float = 1e-4
    warm_up_steps: int = 1_000
    steps: int = 21_000
    eval_every: int = 1_000
    jacobian_rows: int = 0
    stopped_probe: bool = False
    select: str = "last"
    chunk_size: int | None = None
    encoder_chunk_size: int | None = None
    strategy: str = "one_device"
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0

    def __post_init__(self):
        for key in ("steps", "eval_every"):
            checks.positive_integer(f"config.{key}", getattr(self, key), 1000)
        checks.integer(
            "config.batch_size",
            self.batch_size,
            2,
            128,
            "The other rows of a batch are its negatives.",
        )
        checks.one_of("config.select", self.select, SELECTIONS)
        checks.one_of("config.on_error", self.on_error, ("raise", "skip"))
        for key in ("max_pixels", "max_bytes"):
            checks.positive_integer(f"config.{key}", getattr(self, key), 10**9)
        for key in _SEEDS:
            checks.seed(f"config.{key}", getattr(self, key))
        if self.steps % self.eval_every:
            raise ValueError(
                "config.steps must be a multiple of config.eval_every, so that the "
                f"last step is evaluated; received {self.steps} and {self.eval_every}. "
                f"Use --config.eval_every={math.gcd(self.steps, self.eval_every)}, or "
                f"--config.steps={-(-self.steps // self.eval_every) * self.eval_every}."
            )
        checks.positive_number("config.learning_rate", self.learning_rate, 1e-4)
        checks.non_negative_number("config.noise", self.noise, 0.05)
        for key in ("jacobian_rows", "warm_up_steps"):
            checks.integer(f"config.{key}", getattr(self, key), least=0, example=128)
        for key in ("coupled_noise", "shared_encoder", "stopped_probe"):
            checks.boolean(f"config.{key}", getattr(self, key))
        for key in ("chunk_size", "encoder_chunk_size", "encoding_dim"):
            checks.positive_integer(
                f"config.{key}", getattr(self, key), 128, optional=True
            )
        for key in ("temperature", "target"):
            checks.positive_number(
                f"config.{key}", getattr(self, key), 0.1, optional=True
            )
        for key in ("experiment", "dataset", "views", "encoder", "critic", "bound"):
            value = getattr(self, key)
            # In Python, views may also be a function or a layer.
            if key != "views" or not callable(value) or isinstance(value, type):
                checks.text(f"config.{key}", value, getattr(Settings, key))
        for key in ("figure", "budget", "strategy"):
            checks.instance(
                f"config.{key}",
                getattr(self, key),
                str,
                "a string",
                f"Write, for example, config.{key}={getattr(Settings, key)!r}.",
            )
        checks.text("config.label", self.label, "class", optional=True)
        checks.text("config.encoder_digest", self.encoder_digest, "3f2a", optional=True)
        if self.categorical is not None:
            checks.names("config.categorical", self.categorical)
        checks.units("config.encoder_units", self.encoder_units)
        checks.sizes("config.critic_units", self.critic_units, optional=True)
        if self.data_dir is not None:
            checks.path("config.data_dir", self.data_dir)
        if self.image_size is not None:
            checks.sides("config.image_size", self.image_size, 2)
        checks.mapping("config.options", self.options, "Write config.options={}.")

    @classmethod
    def resolve(cls, config: Mapping[str, Any]) -> "Settings":
        """Settings of a config, with defaults for the keys that it leaves out.

        Args:
            config: Mapping of keys to values, such as a dict or a `ConfigDict`.

        Raises:
            ValueError: If a key is unknown (the message suggests the nearest), a value
                is invalid, the config has a `grid` or a `space`, which means many
                runs, or there is nothing that a pretrained encoder could begin with.
            ImportError: If a package that reads it is not installed.
            OSError: If it is on the Hub and cannot be downloaded.

        Example:
        >>> Settings.resolve({"critic": "mlp", "critic_units": [50]}).critic_units
        (50,)
        """
        checks.mapping("config", config, "Write, for example, config={'steps': 3000}.")
        known = {field.name for field in dataclasses.fields(cls)}
        values = dict(config.items())
        if grid := values.pop("grid", None):
            raise ValueError(
                f"This config is a grid over {', '.join(grid)}, not one run. Run it "
                "with keras-infomax sweep (python -m trainers.sweep)."
            )
        if space := values.pop("space", None):
            raise ValueError(
                f"This config is a search over {', '.join(space)}, not one run. Run it "
                "with keras-infomax search (python -m trainers.search)."
            )
        for key in values:
            if key not in known:
                raise ValueError(
                    f"Unknown config key {key!r}.{nearest(key, known)} Expected keys: "
                    f"{', '.join(sorted(known))}."
                )
        # JSON and flags give lists for tuples of sizes.
        resolved: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in _plain(values).items()
        }
        options = resolved.pop("options", None)
        options = {} if options is None else options
        checks.mapping("config.options", options, "Write config.options={}.")
        resolved["options"] = dict(options.items())
        settings = cls(**resolved)
        if settings.encoder_digest is None:
            settings = dataclasses.replace(settings, encoder_digest=start_of(settings))
        return settings

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, in the order of their declaration."""
        return dataclasses.asdict(self)


def start_of(settings: Settings) -> str | None:
    """Digest of what the encoders begin with now; `None` where they begin anew.

    Args:
        settings: Settings.

    Raises:
        ValueError: As `encoders.digest`.
    """
    option = settings.options.get("encoder")
    options = option if isinstance(option, list | tuple) else [option]
    return encoders.digest([settings.encoder, *options])


def identity(settings: Settings) -> tuple[str, ...]:
    """Identifies a run, by the text of the columns `IDENTITY`.

    It has all settings except paths on a machine.

    Args:
        settings: Settings of the run.
    """
    values = settings.as_dict()
    return (*(cell(values[column]) for column in KEY), others(settings))


def others(settings: Settings) -> str:
    """Non-default settings without a column in `KEY`, as JSON.

    Args:
        settings: Settings of the run.

    Example:
    >>> others(Settings(seed=3, learning_rate=0.01, encoder_units=(300, 100)))
    '{"encoder_units":[300,100],"learning_rate":0.01}'
    """
    values, defaults = settings.as_dict(), Settings().as_dict()
    told = {
        key: _canonical(value)
        for key, value in values.items()
        if key not in (*KEY, *_PLACES) and value != defaults[key]
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


def cell(value: Any) -> str:
    """The text of a setting in a table, unique for each value.

    Args:
        value: The value; `None` is an empty cell.

    Example:
    >>> cell(2.0), cell(0.1234567), cell("mlp"), cell(None)
    ('2', '0.1234567', 'mlp', '')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        text = format(value, ".6g")
        return text if float(text) == value else repr(value)
    return str(value)


def _plain(value: Any) -> Any:
    """Converts numbers of NumPy, which JSON does not support, to Python."""
    if hasattr(value, "items"):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        plain = map(_plain, value)
        return tuple(plain) if isinstance(value, tuple) else list(plain)
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _canonical(value: Any) -> Any:
    """One form for equal values, such as 1 and 1.0."""
    if isinstance(value, Mapping):
        return {str(key): _canonical(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    known = value is None or isinstance(value, bool | int | float | str)
    return value if known else repr(value)


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Describes the settings that differ between two runs; empty if none do.

    The path of the data is not compared, since they may have been moved.

    Args:
        found: Settings of a run from its JSON file. Keys of later versions have their
            defaults.
        wanted: Settings of the present run, whose tuples JSON stores as lists.

    Example:
    >>> differences({"seed": 1}, Settings().as_dict())
    'seed: 1 there, 0 here'
    """
    found = {**Settings().as_dict(), **found}
    found, wanted = (json.loads(json.dumps(each)) for each in (found, wanted))
    return "; ".join(
        f"{key}: {found.get(key)!r} there, {wanted.get(key)!r} here"
        for key in sorted({*found, *wanted} - set(_PLACES))
        if found.get(key) != wanted.get(key)
    )
