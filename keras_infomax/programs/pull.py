"""Downloads an export from the Hugging Face Hub, and checks it.

    keras-infomax pull hf://user/name --output=exports/digits

Where that exists already, `--overwrite` replaces it, if it is an export. It takes
`pip install "keras_infomax[hub]"`.
"""

from absl import flags

POSITIONAL = ("ADDRESS",)
WRITES = {"output": "."}
FLAGS = flags.FlagValues()
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", FLAGS, required=True)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Replace an export at --output.", FLAGS
)
_SAFE_MODE = flags.DEFINE_bool(
    "safe_mode", True, "Refuse a SavedModel that does more than compute.", FLAGS
)


def main(address: str) -> None:
    """Pulls."""
    from keras_infomax import saved_model
    from keras_infomax.files import hugging_face
    from keras_infomax.programs import mistakes

    with mistakes.of_the_command():
        hugging_face.parse("ADDRESS", address, file=False)
    folder = _OUTPUT.value
    saved_model.pull(address, folder, _OVERWRITE.value, _SAFE_MODE.value)
    print(f"The export is in {folder}; its README.md says how to load it.")
