"""`python -m keras_infomax`: the same as the command `keras-infomax`."""

from keras_infomax.programs import command

if __name__ == "__main__":
    command.main()
