"""Exports the encoder of a finished training run as a SavedModel and in other formats.

python -m export.saved_model --workdir=W --output=D [--encoder=y] [--overwrite]
    [--formats=saved_model,archive,tflite,onnx] [--image_dtype=float32]
"""

from absl import flags

from export import reporting
from keras_infomax import saved_model

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of a finished training run.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", required=True)
_ENCODER = flags.DEFINE_enum(
    "encoder", "x", ["x", "y"], "Which view's encoder to export."
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace an export at --output.")
_FORMATS = flags.DEFINE_list(
    "formats", ["saved_model"], "Any of saved_model, archive, tflite, onnx."
)
_IMAGE_DTYPE = flags.DEFINE_enum(
    "image_dtype",
    "uint8",
    ["uint8", "float32"],
    "Images that serving_default takes: of [0, 255], or of [0, 1].",
)


def main() -> None:
    """Exports."""
    saved_model.export_workdir(
        _WORKDIR.value,
        _OUTPUT.value,
        encoder=_ENCODER.value,
        overwrite=_OVERWRITE.value,
        formats=_FORMATS.value,
        image_dtype=_IMAGE_DTYPE.value,
    )
    print(f"The encoder is in {_OUTPUT.value}; its README.md says how to load it.")


if __name__ == "__main__":
    reporting.run(main)
