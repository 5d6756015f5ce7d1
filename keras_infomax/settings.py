"""What a run is made of: every key of a config, its default and its meaning."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from keras_infomax import checks
from keras_infomax.checks import nearest

# The settings that tell one run from another in tables of results.
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


@dataclasses.dataclass(frozen=True)
class Settings:
    """The keys of a config; the defaults are the paper's set-up on embedded digits.

    Args:
        figure: What tables of results call the experiment.
        budget: What they call its amount of training: `"full"`, `"quick"`, `"smoke"`.
        experiment: What is trained and measured, as in `training.EXPERIMENTS`.
        dataset: Data set, as in `datasets.load`, or in `dependent` one of its kinds.
        data_dir: Folder of prepared TensorFlow Datasets; `None` for their default.
        image_size: `(height, width)` to resize images to; `None` leaves them.
        split_seed: Seed of the train and test split of data that have none.
        views: Views of an image, as in `views.get`.
        noise: Standard deviation of Gaussian noise added to the pixels of the views,
            which lie in [0, 1].
        coupled_noise: Whether both views of an image get one and the same noise, or
            draws of their own.
        encoder: Encoder, as in `encoders.get`; one for each view.
        encoder_units: Sizes of its hidden layers, or its filters; `None` for the
            encoder's own defaults.
        encoding_dim: Size of the encodings; `None` for the encoder's default.
        shared_encoder: Whether one encoder serves both views.
        critic: Critic, as in `critics.get`.
        critic_units: Sizes of its hidden layers; `None` for the critic's defaults.
        temperature: Temperature of a critic that has one; `None` for its default.
        bound: Bound, as in `losses.get`.
        target: Nats to hold the bound at; `None` raises it.
        batch_size: Rows in a batch, of which all but one are negatives.
        learning_rate: Learning rate of Adam; in `adversarial` that of the head.
        warm_up_steps: Steps of the head alone, in `adversarial`, before its rounds.
        steps: Training steps, a multiple of `eval_every`.
        eval_every: Steps between evaluations, each of which is a checkpoint.
        jacobian_rows: Number of training images on which every evaluation measures
            the condition number of encoder x; 0 for none.
        stopped_probe: Whether every evaluation also fits the linear probe as the
            paper's notebook did, which stops its solver early.
        chunk_size: Rows that an MLP critic scores, and a bound reduces, at a time;
            `None` for all. Bounds the memory of large batches.
        encoder_chunk_size: Rows that are encoded at a time; `None` for all.
        strategy: Devices to train on, as in `strategies.get`.
        options: Arguments of a method, where `experiment` names one of
            `methods.METHODS`.
        seed: Seed of initial weights, order of the data, noise, and dropout.
    """

    figure: str = ""
    budget: str = "full"
    experiment: str = "infomax"
    dataset: str = "digits"
    data_dir: str | None = None
    image_size: tuple[int, int] | None = None
    split_seed: int = 0
    views: str = "halves"
    noise: float = 0.0
    coupled_noise: bool = True
    encoder: str = "mlp"
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
        if self.steps % self.eval_every:
            raise ValueError(
                "config.steps must be a multiple of config.eval_every, so that the "
                f"last step is evaluated; received {self.steps} and {self.eval_every}."
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
            checks.text(f"config.{key}", getattr(self, key), getattr(Settings, key))
        for key in ("figure", "budget", "strategy"):
            checks.instance(
                f"config.{key}",
                getattr(self, key),
                str,
                "a string",
                f"Write, for example, config.{key}={getattr(Settings, key)!r}.",
            )
        for key in ("seed", "split_seed"):
            checks.seed(f"config.{key}", getattr(self, key))
        if self.encoder_units is not None and not checks.is_integer(self.encoder_units):
            checks.sizes("config.encoder_units", self.encoder_units, optional=True)
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
            ValueError: If a key is unknown, with the nearest one, a value is bad, or
                the config has a `grid` or a `space`, which makes it many runs.

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
                "with python -m trainers.sweep."
            )
        if space := values.pop("space", None):
            raise ValueError(
                f"This config is a search over {', '.join(space)}, not one run. Run it "
                "with python -m trainers.search."
            )
        for key in values:
            if key not in known:
                raise ValueError(
                    f"Unknown config key {key!r}.{nearest(key, known)} Expected keys: "
                    f"{', '.join(sorted(known))}."
                )
        # JSON and flags give lists where sizes are tuples.
        resolved: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in values.items()
        }
        options = resolved.pop("options", None)
        options = {} if options is None else options
        checks.mapping("config.options", options, "Write config.options={}.")
        resolved["options"] = dict(options.items())
        return cls(**resolved)

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, in the order of their declaration."""
        return dataclasses.asdict(self)


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Names the settings in which a run differs from another; empty if in none.

    Args:
        found: Settings of a run as its JSON holds them. A key that came later was at
            its default then.
        wanted: Settings of the run at hand, of which JSON makes lists of tuples.

    Example:
    >>> differences({"seed": 1}, Settings().as_dict())
    'seed: 1 there, 0 here'
    """
    found = {**Settings().as_dict(), **found}
    found, wanted = (json.loads(json.dumps(each)) for each in (found, wanted))
    return "; ".join(
        f"{key}: {found.get(key)!r} there, {wanted.get(key)!r} here"
        for key in sorted({*found, *wanted})
        if found.get(key) != wanted.get(key)
    )
