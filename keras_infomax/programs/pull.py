"""Downloads an export from the Hugging Face Hub, and checks it.

    keras-infomax pull hf://user/name exports/digits

Where the folder exists already, `--overwrite` replaces it, if it is an export. It takes
`pip install "keras_infomax[hub]"`.
"""

from absl import flags

POSITIONAL = ("ADDRESS", "FOLDER")
FLAGS = flags.FlagValues()
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Replace an export at FOLDER.", FLAGS
)
_SAFE_MODE = flags.DEFINE_bool(
    "safe_mode", True, "Refuse a SavedModel that does more than compute.", FLAGS
)


def main(address: str, folder: str) -> None:
    """Pulls."""
    from keras_infomax import saved_model
    from keras_infomax.files import hugging_face
    from keras_infomax.programs.mistakes import UsageError

    try:
        hugging_face.parse("ADDRESS", address, file=False)
    except ValueError as error:
        raise UsageError(str(error)) from error
    saved_model.pull(address, folder, _OVERWRITE.value, _SAFE_MODE.value)
    print(f"The export is in {folder}; its README.md says how to load it.")
