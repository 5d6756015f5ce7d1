"""What encoding in chunks spares, measured in processes of their own."""

import multiprocessing
import pathlib

import pytest

ROWS = 4096


def train_a_step(chunk_size):
    """Loss of a step on a large batch, and MiB that it adds to the process at most."""
    import keras
    import numpy as np

    import keras_infomax as kim
    from benchmarks.scaling import resident_mib

    keras.utils.set_random_seed(0)
    model = kim.InfoMax(
        kim.encoders.convnet((14, 28, 1)),
        critic="inner_product",
        encoder_chunk_size=chunk_size,
    )
    # Chunks of scores, too, or these would take most of the memory.
    model.compile("adam", kim.losses.InfoNCE(chunk_size=256))
    view = np.random.default_rng(0).random((ROWS, 14, 28, 1), "float32")
    model.train_on_batch((view[:8], view[:8]))
    before = resident_mib("self")
    # Forgets the peak of what went before.
    pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    model.reset_metrics()
    loss, _ = model.train_on_batch((view, view))
    return float(loss), resident_mib("self", "VmHWM") - before


def in_a_new_process(chunk_size):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(train_a_step, (chunk_size,))


@pytest.mark.slow
def test_chunks_take_the_memory_of_a_piece_and_the_encodings():
    loss_of_all, memory_of_all = in_a_new_process(None)
    loss, memory = in_a_new_process(256)
    assert loss == pytest.approx(loss_of_all, rel=1e-5)
    # What both hold of the batch and its scores is small beside the activations.
    assert memory < 0.4 * memory_of_all
