"""Uploads an export to the Hugging Face Hub, with a card and what was measured.

    keras-infomax push runs/digits_encoder hf://user/name
    keras-infomax push runs/digits_encoder hf://user/name@branch --private

A repository that does not exist is made. It takes `pip install "keras_infomax[hub]"`,
and a token, as `hf auth login` keeps one.
"""

from absl import flags

POSITIONAL = ("FOLDER", "ADDRESS")
READS = {"FOLDER": "manifest.json"}
FLAGS = flags.FlagValues()
_PRIVATE = flags.DEFINE_bool(
    "private", None, "Whether a new repository is private.", FLAGS
)
_MESSAGE = flags.DEFINE_string("message", None, "What the commit is called.", FLAGS)


def main(folder: str, address: str) -> None:
    """Pushes."""
    from keras_infomax import saved_model
    from keras_infomax.files import hugging_face
    from keras_infomax.programs import mistakes

    with mistakes.of_the_command():
        hugging_face.parse("ADDRESS", address, file=False)
    place = saved_model.push(folder, address, _PRIVATE.value, _MESSAGE.value)
    print(f"The export is at {place}.")
