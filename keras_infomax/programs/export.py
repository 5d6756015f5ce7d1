"""Exports the encoder of a finished training run as a SavedModel and in other formats.

    keras-infomax export --workdir=runs/digits --output=runs/digits_encoder

Where it exists already, `--overwrite` replaces it. `--formats=saved_model,tflite,onnx`
writes files for LiteRT and ONNX, too; `archive` packs the SavedModel. With `keras`,
another training can begin with it: `--config.encoder=runs/digits_encoder`.
"""

from absl import flags

import keras_infomax as kim

READS = {"workdir": "model.keras"}
WRITES = {"output": "."}
FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of a finished training run.", FLAGS, required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", FLAGS, required=True)
_ENCODER = flags.DEFINE_enum(
    "encoder", "x", ["x", "y"], "Which view's encoder to export: x or y.", FLAGS
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Replace an export at --output.", FLAGS
)
_FORMATS = flags.DEFINE_list(
    "formats",
    ["saved_model"],
    "Any of saved_model, archive, tflite, onnx, keras.",
    FLAGS,
)
_IMAGE_DTYPE = flags.DEFINE_enum(
    "image_dtype",
    "uint8",
    ["uint8", "float32"],
    "Images that serving_default takes: uint8 of [0, 255], or float32 of [0, 1].",
    FLAGS,
)
_HEAD = flags.DEFINE_bool(
    "head", False, "Keep the projection head in it, as signature project.", FLAGS
)


def main() -> None:
    """Exports."""
    kim.saved_model.export_workdir(
        _WORKDIR.value,
        _OUTPUT.value,
        encoder=_ENCODER.value,
        overwrite=_OVERWRITE.value,
        formats=_FORMATS.value,
        image_dtype=_IMAGE_DTYPE.value,
        head=_HEAD.value,
    )
    print(f"The encoder is in {_OUTPUT.value}; its README.md says how to load it.")
