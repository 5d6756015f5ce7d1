"""Writes a run for TensorBoard: scalars, scores, encodings, hyper-parameters.

`TensorBoard` is the callback. Each other module writes one kind of file or page.
"""

from keras_infomax.callbacks.tensorboard.callback import TensorBoard

__all__ = ["TensorBoard"]
