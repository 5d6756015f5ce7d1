"""What TensorBoard shows of a run: scalars, scores, encodings, hyper-parameters.

`TensorBoard` is the callback; the other modules write one kind of file or page each.
"""

from keras_infomax.callbacks.tensorboard.callback import TensorBoard

__all__ = ["TensorBoard"]
