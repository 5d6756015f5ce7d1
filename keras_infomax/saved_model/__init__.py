"""Exports a trained encoder for others to load, and loads it as a Keras layer.

The export is one TensorFlow SavedModel that runs, and can be fine-tuned, where this
package is not installed.
"""

from keras_infomax.saved_model.exporting import export
from keras_infomax.saved_model.hub_encoder import HubEncoder
from keras_infomax.saved_model.loading import load
from keras_infomax.saved_model.repositories import pull, push
from keras_infomax.saved_model.workdirs import export_workdir

__all__ = ["HubEncoder", "export", "export_workdir", "load", "pull", "push"]
