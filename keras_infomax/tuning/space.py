"""The space of a search: which settings vary, and over which values."""

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from keras_infomax import checks, critics, encoders
from keras_infomax.checks import nearest
from keras_infomax.training.settings import Settings

# Settings that some kinds of another one have, by the argument that takes them.
_DEPENDENT = {
    "critic_units": ("critic", "hidden_units"),
    "temperature": ("critic", "temperature"),
    "encoder_units": ("encoder", None),
}
_KINDS: dict[str, dict[str, Any]] = {
    "critic": critics.CRITICS,
    "encoder": encoders.ENCODERS,
}
# All trials are of one data set, as long as each other, and of one device.
_FIXED = {
    *("figure", "budget", "experiment", "options", "strategy", "steps", "eval_every"),
    *("dataset", "data_dir", "image_size", "split_seed"),
    *("on_error", "max_pixels", "max_bytes", "encoder_digest"),
}

# What Optuna has for values of a choice; it would store others as their texts.
_OF_OPTUNA = (bool, int, float, str, type(None))


@dataclasses.dataclass(frozen=True)
class Choices:
    """Some values to choose from, of any types.

    Args:
        values: The values.
    """

    values: tuple[Any, ...]

    def declare(self, hp: Any, name: str) -> Any:
        """Declares the choice to keras-tuner, and returns the chosen value."""
        if _plain(self.values):
            return hp.Choice(name, list(self.values))
        # keras-tuner has neither tuples nor None, nor a mix of types.
        by_text = {str(value): value for value in self.values}
        return by_text.get(hp.Choice(name, list(by_text)))

    def suggest(self, trial: Any, name: str) -> Any:
        """Asks an Optuna trial to choose, and returns the chosen value."""
        if all(isinstance(value, _OF_OPTUNA) for value in self.values):
            return trial.suggest_categorical(name, list(self.values))
        by_text = {str(value): value for value in self.values}
        return by_text[trial.suggest_categorical(name, list(by_text))]


@dataclasses.dataclass(frozen=True)
class Range:
    """All numbers between two, or every so many of them.

    Args:
        min: The smallest.
        max: The largest.
        step: Distance of two neighbors, or their ratio if `sampling` is `"log"`.
        sampling: `"linear"`, `"log"` or `"reverse_log"`, as in keras-tuner.
    """

    min: float
    max: float
    step: float | None = None
    sampling: str = "linear"

    def declare(self, hp: Any, name: str) -> Any:
        """Declares the range to keras-tuner, and returns the chosen number."""
        whole = isinstance(self.min, int) and isinstance(self.max, int)
        draw = hp.Int if whole else hp.Float
        return draw(name, self.min, self.max, step=self.step, sampling=self.sampling)

    def suggest(self, trial: Any, name: str) -> Any:
        """Asks an Optuna trial to choose, and returns the chosen number."""
        log = self.sampling == "log"
        if isinstance(self.min, int) and isinstance(self.max, int):
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(name, self.min, self.max, step=step, log=log)
        return trial.suggest_float(name, self.min, self.max, step=self.step, log=log)


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One setting that varies, always or with some kinds of another one.

    Args:
        name: What keras-tuner calls it.
        path: Key of the setting, and that of the option if the setting is `options`.
        domain: What it varies over.
        parent: Setting on which it depends, if that varies, too.
        kinds: The values of the parent with which it counts.
    """

    name: str
    path: tuple[str, ...]
    domain: Choices | Range
    parent: str | None = None
    kinds: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Space:
    """The settings that vary.

    Args:
        dimensions: The settings; those on which others depend come first.
    """

    dimensions: tuple[Dimension, ...]

    @classmethod
    def resolve(cls, space: Mapping[str, Any], settings: Settings) -> "Space":
        """The space that plain choices and ranges describe.

        Args:
            space: Settings and what they vary over: a list of choices, or a mapping
                with `min`, `max` and, if wanted, `step` and `sampling`. `critic_units`,
                `temperature` and `encoder_units` vary only with the critics and
                encoders that take them, and may be a mapping from these to choices or
                ranges. `options` is a mapping from options to choices or ranges.
            settings: What the settings are that do not vary.

        Raises:
            ValueError: If a setting is unknown or cannot vary, or there is nothing to
                choose from.

        Example:
        >>> space = {"critic": ["bilinear", "mlp"], "critic_units": [[50], [50, 50]]}
        >>> [d.kinds for d in Space.resolve(space, Settings()).dimensions]
        [(), ('mlp',)]
        """
        checks.mapping("space", space, "Write, for example, space={'critic': ['mlp']}.")
        checks.instance(
            "settings", settings, Settings, "Settings", "Write settings=Settings()."
        )
        if not space:
            raise ValueError(
                "config.space must have a setting to vary; received none. Write, for "
                "example, space={'critic': ['bilinear', 'mlp']}."
            )
        known = {field.name for field in dataclasses.fields(Settings)} - _FIXED
        for key in space:
            if key not in known | {"options"}:
                reason = "cannot vary" if key in _FIXED else "is unknown"
                raise ValueError(
                    f"config.space.{key} {reason}.{nearest(key, known)} Settings that "
                    f"can vary: {', '.join(sorted(known))}."
                )
        choices = {
            key: _domain((key,), space[key])
            for key in space
            if key not in (*_DEPENDENT, "options")
        }
        dimensions = [Dimension(key, (key,), domain) for key, domain in choices.items()]
        options = checks.mapping(
            "config.space.options",
            space.get("options", {}),
            "Write, for example, config.space.options={'depth': [1, 2]}.",
        )
        for option, values in options.items():
            path = ("options", option)
            dimensions.append(Dimension(".".join(path), path, _domain(path, values)))
        for key in (key for key in _DEPENDENT if key in space):
            parent = choices.get(_DEPENDENT[key][0])
            dimensions += _dependent(key, space[key], parent, settings)
        return cls(tuple(dimensions))

    def declare(self, hp: Any) -> dict[tuple[str, ...], Any]:
        """Declares the space to keras-tuner, and returns what it has chosen.

        Args:
            hp: `keras_tuner.HyperParameters`.

        Returns:
            Values of the settings that count, by the path of the setting.
        """
        values: dict[tuple[str, ...], Any] = {}
        for dimension in self.dimensions:
            if dimension.parent is None:
                values[dimension.path] = dimension.domain.declare(hp, dimension.name)
                continue
            with hp.conditional_scope(dimension.parent, list(dimension.kinds)):
                value = dimension.domain.declare(hp, dimension.name)
            if values[(dimension.parent,)] in dimension.kinds:
                values[dimension.path] = value
        return values

    def suggest(self, trial: Any) -> dict[tuple[str, ...], Any]:
        """Asks an Optuna trial for the settings that count with those before.

        Args:
            trial: `optuna.Trial`, or one that is fixed or finished.

        Returns:
            Values of the settings that count, by the path of the setting.
        """
        values: dict[tuple[str, ...], Any] = {}
        for dimension in self.dimensions:
            parent = dimension.parent
            if parent is None or values[(parent,)] in dimension.kinds:
                values[dimension.path] = dimension.domain.suggest(trial, dimension.name)
        return values

    def check_for_optuna(self) -> None:
        """Raises a `ValueError` if a range is none that Optuna has."""
        for dimension in self.dimensions:
            domain, name = dimension.domain, dimension.name
            if isinstance(domain, Range):
                stepped = domain.step is not None and domain.sampling == "log"
                if stepped or domain.sampling == "reverse_log":
                    raise ValueError(
                        f"config.space.{name} must be linear, or log without a step, "
                        f"in Optuna; received {domain}. Give a list of choices."
                    )

    def applied(
        self, settings: Settings, values: Mapping[tuple[str, ...], Any]
    ) -> Settings:
        """Settings with those that vary in their places.

        Args:
            settings: Settings that do not vary.
            values: What was chosen, by the path of the setting.

        Raises:
            ValueError: If the combination is unfit.
        """
        found = settings.as_dict()
        if any(path[-1] == "encoder" for path in values):
            found["encoder_digest"] = None  # That of another encoder.
        for path, value in values.items():
            if len(path) == 1:
                found[path[0]] = value
            else:
                found[path[0]] = {**found[path[0]], path[1]: value}
        return Settings.resolve(found)

    def paths(self) -> list[tuple[str, ...]]:
        """Paths of the settings that vary, each once."""
        return list(dict.fromkeys(d.path for d in self.dimensions))


def _dependent(
    key: str, values: Any, parent: Choices | Range | None, settings: Settings
) -> list[Dimension]:
    """Dimensions of a setting that only some critics, or encoders, take."""
    of, argument = _DEPENDENT[key]
    kinds = (getattr(settings, of),)
    if isinstance(parent, Choices):
        kinds = parent.values
    # What is pretrained has its sizes.
    open_kinds = [kind for kind in kinds if not encoders.is_source(kind)]
    takers = [k for k in open_kinds if _takes(_KINDS[of].get(k), argument)]
    by_kind = {kind: values for kind in takers}
    if isinstance(values, Mapping) and "min" not in values:
        by_kind = dict(values)
    if not by_kind or not set(by_kind) <= set(takers):
        strange = ", ".join(map(repr, sorted(set(by_kind) - set(takers))))
        raise ValueError(
            f"config.space.{key} must be for a {of} of the search that takes it, "
            f"{', '.join(map(repr, takers)) or 'of which there is none'}; received "
            f"values for {strange or ', '.join(map(repr, kinds))}."
        )
    if not isinstance(parent, Choices):
        ((_, values),) = by_kind.items()
        return [Dimension(key, (key,), _domain((key,), values))]
    if not isinstance(values, Mapping) or "min" in values:
        domain = _domain((key,), values)
        if len(takers) == len(kinds):
            return [Dimension(key, (key,), domain)]
        return [Dimension(key, (key,), domain, of, tuple(takers))]
    return [
        Dimension(f"{kind}.{key}", (key,), _domain((key, kind), domain), of, (kind,))
        for kind, domain in by_kind.items()
    ]


def _takes(make: Any, argument: str | None) -> bool:
    return argument is None or (
        make is not None and argument in inspect.signature(make).parameters
    )


def _domain(path: tuple[str, ...], values: Any) -> Choices | Range:
    if isinstance(values, Mapping):
        return _range(path, values)
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise ValueError(
            f"config.space.{'.'.join(path)} must be a list of choices, or a mapping "
            f"with min and max; received {values!r}."
        )
    choices = tuple(tuple(v) if isinstance(v, list) else v for v in values)
    if len({str(value) for value in choices}) < len(choices):
        raise ValueError(
            f"config.space.{'.'.join(path)} must have choices that differ; received "
            f"{list(choices)}."
        )
    return Choices(choices)


def _range(path: tuple[str, ...], values: Mapping[str, Any]) -> Range:
    known = {field.name for field in dataclasses.fields(Range)}
    name = ".".join(path)
    if not {"min", "max"} <= set(values) <= known:
        raise ValueError(
            f"config.space.{name} must be a list of choices, or a mapping with min and "
            f"max, and at most step and sampling; received {dict(values)}."
        )
    domain = Range(**values)
    numbers = all(
        isinstance(v, int | float) and not isinstance(v, bool)
        for v in (domain.min, domain.max)
    )
    if not numbers or not domain.min < domain.max:
        raise ValueError(
            f"config.space.{name} must have numbers min < max; received "
            f"{domain.min!r} and {domain.max!r}."
        )
    if domain.sampling not in ("linear", "log", "reverse_log"):
        raise ValueError(
            f"config.space.{name}.sampling must be 'linear', 'log' or 'reverse_log'; "
            f"received {domain.sampling!r}."
        )
    if domain.sampling != "linear" and domain.min <= 0:
        raise ValueError(
            f"config.space.{name}.min must be positive with sampling "
            f"{domain.sampling!r}; received {domain.min!r}."
        )
    return domain


def _plain(values: Sequence[Any]) -> bool:
    """Whether keras-tuner can choose between the values as they are."""
    return (
        len({type(value) for value in values}) == 1
        and isinstance(values[0], str | float | int)
        and not isinstance(values[0], bool)
    )
