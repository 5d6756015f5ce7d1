"""The card that lies beside an exported encoder: what it is and how to load it."""

import json
import math
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_infomax import measures, structures
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.version import __version__

# What a reader looks for first; null where the exporter does not know.
_ASKED = (
    "dataset",
    "input_range",
    "mi",
    "mi_ceiling",
    "probe_accuracy",
    "raw_baseline",
)


def describe(
    encoder: keras.layers.Layer,
    views: Any,
    encoding_size: int | None,
    raw_shape: tuple[int | None, ...] | None,
    raw_dtype: str | None,
    formats: Sequence[str],
    facts: Mapping[str, Any],
    projection_size: int | None = None,
) -> dict[str, Any]:
    """Returns the card of `encoder` as plain values, ready for strict JSON.

    Args:
        encoder: The built encoder.
        views: What the encoder takes, a structure of `structures.Spec`s.
        encoding_size: Size of an encoding.
        raw_shape: Shape of what `serving_default` takes, or `None` for views.
        raw_dtype: Its dtype, or `None` for views.
        formats: Names of the formats that are exported.
        facts: What else is known. Numbers that are not finite become null, which
            stands for unknown.
        projection_size: Size of a projection, or `None` if there is no head.

    Raises:
        ValueError: If `facts` redefines what the encoder itself says, or holds what
            JSON cannot.
    """
    facts = {_renamed(name): value for name, value in facts.items()}
    own = {
        "name": encoder.name,
        "input_shape": _of_each(views, lambda spec: spec.shape[1:]),
        "input_dtype": _of_each(views, lambda spec: spec.dtype),
        "inputs": _of_each(
            views,
            lambda spec: {
                "name": spec.name,
                "shape": spec.shape[1:],
                "dtype": spec.dtype,
            },
        ),
        "raw_shape": raw_shape,
        "raw_dtype": raw_dtype,
        "encoding_size": encoding_size,
        "projection_size": projection_size,
        "formats": formats,
        "parameters": encoder.count_params(),
        "versions": {
            "keras_infomax": __version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "python": platform.python_version(),
        },
    }
    taken = sorted(own.keys() & facts.keys())
    if taken:
        raise ValueError(
            f"card must not redefine what the export measures itself; received {taken}."
            " Use other keys."
        )
    return _plain("card", {**own, **dict.fromkeys(_ASKED), **facts})


def to_json(card: Mapping[str, Any]) -> str:
    """Returns the card as strict JSON, without NaN or infinities."""
    return json.dumps(card, indent=2, allow_nan=False) + "\n"


def to_markdown(card: Mapping[str, Any]) -> str:
    """Returns the card as the README of the exported folder."""
    size, inputs = card["encoding_size"], card["inputs"]
    arguments = {"inputs": "views"} if _is_one(inputs) else _named(inputs)
    served = arguments if card["raw_shape"] is None else {"inputs": "inputs"}
    return _README.format(
        name=card["name"],
        origin=_origin(card.get("config")),
        views=_views(inputs),
        names=_listed(arguments),
        encodings=_shape([size]),
        served_names=_listed(served),
        project=_PROJECT.format(
            names=_listed(arguments), shape=_shape([card["projection_size"]])
        )
        if card.get("projection_size")
        else "",
        served=_served(card["raw_shape"], card["raw_dtype"]),
        served_call=", ".join(f"{name}={value}" for name, value in served.items()),
        call=", ".join(f"{name}={value}" for name, value in arguments.items()),
        feed=", ".join(f'"{name}": {value}' for name, value in arguments.items()),
        formats=", ".join(card["formats"]),
        input_range=_value(card["input_range"]),
        dataset=_value(card["dataset"]),
        parameters=f"{card['parameters']:,}",
        mi=_value(card["mi"], "nats"),
        mi_ceiling=_value(card["mi_ceiling"], "nats"),
        probe_accuracy=_value(card["probe_accuracy"]),
        raw=_raw_words(inputs),
        raw_baseline=_value(card["raw_baseline"]),
        versions=", ".join(f"{k} {v}" for k, v in card["versions"].items()),
    )


def _renamed(name: str) -> str:
    if name == "pixel_baseline":
        measures.warn_of_earlier(name, "raw_baseline")
        return "raw_baseline"
    return name


def _of_each(views: Any, fact: Callable) -> Any:
    """Something of each tensor, in the structure of the views as JSON has it."""
    if isinstance(views, structures.Spec):
        return fact(views)
    if isinstance(views, Mapping):
        return {key: _of_each(part, fact) for key, part in views.items()}
    return [_of_each(part, fact) for part in views]


def _is_one(inputs: Any) -> bool:
    # A dictionary of views may have a part called "name", but that is none.
    return isinstance(inputs, Mapping) and isinstance(inputs.get("name"), str)


def _views(inputs: Any) -> str:
    if _is_one(inputs):
        return f"{inputs['dtype']} {_shape(inputs['shape'])}"
    if isinstance(inputs, Mapping):
        parts = (f"{key!r}: {_views(part)}" for key, part in inputs.items())
        return f"{{{', '.join(parts)}}}"
    return f"({', '.join(map(_views, inputs))})"


def _named(inputs: Any) -> dict[str, str]:
    """The parts of a view by the names that a signature has for them."""
    if _is_one(inputs):
        return {inputs["name"]: inputs["name"]}
    parts = inputs.values() if isinstance(inputs, Mapping) else inputs
    return {name: part for each in parts for name, part in _named(each).items()}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _raw_words(inputs: Any) -> str:
    is_image = _is_one(inputs) and len(inputs["shape"]) == 3
    return "the pixels" if is_image else "the raw view"


def _origin(config: Mapping[str, Any] | None) -> str:
    """How the encoder was trained, as far as the config of a run tells."""
    if config is None:
        return "Written with keras_infomax."
    if config.get("experiment") == "supervised":
        return "Trained with labels, as a part of a classifier, with keras_infomax."
    return (
        "Trained without labels by mutual information (MI) maximisation with "
        "keras_infomax."
    )


def _shape(sizes: list[int | None]) -> str:
    return f"({', '.join(['rows', *('any' if s is None else str(s) for s in sizes)])})"


def _served(shape: list[int | None] | None, dtype: str | None) -> str:
    return "views" if shape is None else f"raw inputs `{_shape(shape)}`, {dtype}"


def _value(value: Any, unit: str = "") -> str:
    if value is None:
        return "unknown"
    if isinstance(value, float):
        value = f"{value:.4g}"
    return f"{value} {unit}".strip()


def _plain(where: str, value: Any) -> Any:
    """Turns NumPy values, tuples and mappings into what JSON has."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(k): _plain(f"{where}[{k!r}]", v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(f"{where}[{i}]", v) for i, v in enumerate(value)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    raise ValueError(
        f"{where} must be a number, string, boolean, None, or a list or mapping of "
        f"these; received {value!r} of type {type(value).__name__}. Convert it first."
    )


_PROJECT = """\
| `project` | views, and returns `projection` `float32 {shape}`, too | {names} |

The projections are what was trained to be told apart; the encodings before them are the
representation. `head(encodings)` of the loaded object makes them.
"""

_README = """\
# Encoder `{name}`

Maps views `{views}` to encodings `float32 {encodings}`, for any number of rows.
{origin}

| fact | value |
|---|---|
| trained on | {dataset} |
| input range | {input_range} |
| parameters | {parameters} |
| MI estimate | {mi} |
| its ceiling | {mi_ceiling} |
| accuracy of a linear probe | {probe_accuracy} |
| same probe on {raw} | {raw_baseline} |
| formats | {formats} |
| written with | {versions} |

`model_card.json` holds these and further facts, `manifest.json` checksums of all files,
and `reference.npz` inputs with the encodings that every format must give for them.

Two signatures return `encoding`:

| signature | takes | as |
|---|---|---|
| `encode` | views | {names} |
| `serving_default` | {served} | {served_names} |
{project}
## Loading

None of these needs keras_infomax, except the one that says so. `path` is this folder.

Plain TensorFlow:

```python
encoder = tf.saved_model.load(path)
encodings = encoder(views)  # encoder(views, training=True) updates statistics
```

Serving, and TensorFlow through a signature:

```python
loaded = tf.saved_model.load(path)
encodings = loaded.signatures["serving_default"]({served_call})["encoding"]
```

TensorFlow Hub, from a web server that holds `encoder.tar.gz` (a local archive it
refuses):

```python
encoder = tensorflow_hub.load("https://.../encoder.tar.gz")
```

Keras 3.10 or newer, for inference:

```python
layer = keras.layers.TFSMLayer(path, call_endpoint="serve", trainable=False)
```

Keras 3, frozen or fine-tuned (needs keras_infomax):

```python
layer = keras_infomax.saved_model.load(path, trainable=True)
```

LiteRT (TFLite) and ONNX, where these formats are exported; ONNX takes views:

```python
interpreter = ai_edge_litert.interpreter.Interpreter("encoder.tflite")
encodings = interpreter.get_signature_runner("encode")({call})["encoding"]
session = onnxruntime.InferenceSession("encoder.onnx")
(encodings,) = session.run(["encoding"], {{{feed}}})
```

tf_keras (Keras 2), frozen or fine-tuned:

```python
layer = tensorflow_hub.KerasLayer(path, trainable=True)
```

To fine-tune in Keras 3.10 or newer without keras_infomax, name the training endpoint,
and build the optimizer before `fit`, which otherwise stumbles over the names of the
variables. Regularization losses are not carried that way.

```python
layer = keras.layers.TFSMLayer(
    path, call_endpoint="serve", call_training_endpoint="serve_training"
)
model = keras.Sequential([layer, keras.layers.Dense(10)])
model(views)
model.compile("adam", loss)
model.optimizer.build(model.trainable_variables)
```
"""
