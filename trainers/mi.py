"""`keras-infomax mi`, from a checkout."""

from keras_infomax.programs import command

if __name__ == "__main__":
    command.run("mi")
