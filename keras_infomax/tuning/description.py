"""The description of a search: settings, the space, and the method."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras_tuner

from keras_infomax import checks, datasets
from keras_infomax.checks import nearest
from keras_infomax.training import experiments
from keras_infomax.training.settings import Settings
from keras_infomax.tuning import tuners
from keras_infomax.tuning.space import Space

_MAXIMISED = ("mi", "accuracy", "information")
_MINIMISED = ("loss",)


@dataclasses.dataclass(frozen=True)
class Search:
    """What is searched, and how.

    Args:
        settings: Settings that do not vary.
        space: Those that do, as in `Space.resolve`.
        method: `"random"`, `"bayesian"`, `"hyperband"` or `"grid"`.
        objective: Metric that the best trial is best in.
        direction: `"max"` or `"min"`. Can be left out for metrics that end in `mi`,
            `accuracy`, `information` or `loss`.
        max_trials: Trials in all, or at most; a later call may ask for more. Hyperband
            makes as many as its brackets have.
        validation: Part of the training examples that trials are measured on instead of
            being trained on them; the test examples play no part in the search. 0 for
            the test examples.
        seed: Seed of the choices, and of the examples that are held out.
        options: Further arguments of keras-tuner's oracle, such as `factor` or `beta`.
    """

    settings: Mapping[str, Any]
    space: Mapping[str, Any]
    method: str = "random"
    objective: str = "probe_accuracy"
    direction: str | None = None
    max_trials: int = 20
    validation: float = 0.2
    seed: int = 0
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def resolve(
        cls, config: Mapping[str, Any], data: datasets.Dataset | None = None
    ) -> "Search":
        """The search that a config describes.

        Args:
            config: Keys and values of `Settings`, `space`, and in `search` the other
                arguments of this class.
            data: Data set to use instead of `config["dataset"]`; its name is recorded.

        Raises:
            ValueError: If a key is unknown or a value is bad.
        """
        checks.mapping("config", config, "Write, for example, config={'space': {}}.")
        checks.instance(
            "data",
            data,
            datasets.Dataset,
            "a data set, as of datasets.from_arrays",
            "Leave it out to load the data set that the config names.",
            optional=True,
        )
        settings = _plain(config)
        space, found = settings.pop("space", {}), settings.pop("search", {})
        if settings.pop("grid", None):
            raise ValueError(
                "A search has a config.space; received config.grid, too. Run a grid "
                "with keras-infomax sweep (python -m trainers.sweep)."
            )
        known = {field.name for field in dataclasses.fields(cls)}
        known -= {"settings", "space"}
        for key in found:
            if key not in known:
                raise ValueError(
                    f"Unknown key config.search.{key}.{nearest(key, known)} Expected "
                    f"keys: {', '.join(sorted(known))}."
                )
        resolved = experiments.named(Settings.resolve(settings), data)
        return cls(resolved.as_dict(), space, **found)

    def __post_init__(self):
        for key in ("settings", "space"):
            checks.mapping(key, getattr(self, key), f"Write, for example, {key}={{}}.")
        Space.resolve(self.space, Settings.resolve(self.settings))
        checks.mapping(
            "config.search.options", self.options, "Write config.search.options={}."
        )
        checks.one_of("config.search.method", self.method, sorted(tuners.ORACLES))
        checks.text("config.search.objective", self.objective, "probe_accuracy")
        if self.direction is None:
            object.__setattr__(self, "direction", _direction(self.objective))
        if not isinstance(self.direction, str) or self.direction not in ("max", "min"):
            raise ValueError(
                "config.search.direction must be 'max' or 'min'; received "
                f"{checks.shown(self.direction)} for the objective "
                f"{self.objective!r}. Write, for example, "
                "config.search.direction='max'."
            )
        checks.positive_integer("config.search.max_trials", self.max_trials, 20)
        checks.seed("config.search.seed", self.seed)
        checks.probability(
            "config.search.validation",
            self.validation,
            "[)",
            0.2,
            "It is a part of the training examples.",
        )

    def oracle(self) -> keras_tuner.Oracle:
        """keras-tuner's oracle of this search.

        Raises:
            ValueError: If it does not take the options.
        """
        options = dict(self.options)
        if self.method == "hyperband":
            epochs = self.settings["steps"] // self.settings["eval_every"]
            options["max_epochs"] = epochs
        else:
            options["max_trials"] = self.max_trials
        try:
            return tuners.ORACLES[self.method](
                objective=keras_tuner.Objective(self.objective, self.direction),
                # keras-tuner takes the seed 0 for none.
                seed=self.seed + 1,
                # Otherwise failures in a row would end the search without a result.
                max_consecutive_failed_trials=2**31,
                **options,
            )
        except TypeError as error:
            raise ValueError(
                f"config.search.options must be arguments of keras-tuner's oracle for "
                f"{self.method!r}; received {options}: {error}."
            ) from error


def _direction(objective: str) -> str | None:
    for endings, direction in ((_MAXIMISED, "max"), (_MINIMISED, "min")):
        if objective.split("_")[-1] in endings:
            return direction
    return None


def _plain(config: Any) -> Any:
    """Dictionaries and tuples for the mappings and sequences of a config."""
    if hasattr(config, "items"):
        return {key: _plain(value) for key, value in config.items()}
    return tuple(map(_plain, config)) if isinstance(config, list | tuple) else config
