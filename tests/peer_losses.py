"""Losses of other packages, and their gradients, on seeded encodings.

    python -m pip install torch lightly pytorch-metric-learning open_clip_torch
    python tests/peer_losses.py > tests/losses/peer_losses.json

Computed in float64. `losses/test_peers.py` compares ours with the file, and with the
packages themselves where they are installed.
"""

import importlib.metadata
import json
import re

import numpy as np

TEMPERATURE = 0.5
SCALE, BIAS = 12.5, -9.0
PACKAGES = ("torch", "lightly", "pytorch-metric-learning", "open_clip_torch")


def encodings(rows=8, dim=5):
    """Two views, and classes of which one has a single member."""
    generator = np.random.default_rng(19)
    a = generator.normal(size=(rows, dim))
    b = a + generator.normal(size=(rows, dim))
    classes = generator.integers(0, 3, size=rows)
    classes[0] = 3
    return a, b, classes


def bank(size=12, dim=5):
    """Directions that a queue holds."""
    rows = np.random.default_rng(3).normal(size=(size, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def lightly_nt_xent(a, b, classes):
    from lightly.loss import NTXentLoss

    return NTXentLoss(TEMPERATURE)(a, b)


def metric_learning_nt_xent(a, b, classes):
    import torch
    from pytorch_metric_learning.losses import NTXentLoss

    examples = torch.arange(len(a))
    loss = NTXentLoss(TEMPERATURE)
    return loss(torch.cat([a, b]), torch.cat([examples, examples]))


def lightly_decoupled(a, b, classes):
    from lightly.loss import DCLLoss

    return DCLLoss(TEMPERATURE)(a, b)


def metric_learning_supcon(a, b, classes):
    import torch
    from pytorch_metric_learning.losses import SupConLoss

    loss = SupConLoss(TEMPERATURE)
    return loss(torch.cat([a, b]), torch.cat([classes, classes]))


def metric_learning_supcon_of_one_view(a, b, classes):
    """Where a row may have no partner."""
    from pytorch_metric_learning.losses import SupConLoss

    return SupConLoss(TEMPERATURE)(a, classes)


def lightly_barlow_twins(a, b, classes):
    from lightly.loss import BarlowTwinsLoss

    return BarlowTwinsLoss(lambda_param=5e-3)(a, b)


def lightly_vicreg(a, b, classes):
    from lightly.loss import VICRegLoss

    return VICRegLoss()(a, b)


def lightly_cosine(a, b, classes):
    from lightly.loss import NegativeCosineSimilarity

    return NegativeCosineSimilarity()(a, b)


def lightly_queue(a, b, classes):
    """MoCo: the other view, which no gradient enters, against a queue."""
    import torch
    from lightly.loss import NTXentLoss

    loss = NTXentLoss(TEMPERATURE, memory_bank_size=(12, 5))
    loss.memory_bank.bank = torch.tensor(bank())
    loss.memory_bank.bank_ptr = torch.zeros(1, dtype=torch.int64)
    return loss(a, b.detach())


def open_clip_clip(a, b, classes):
    import torch
    from open_clip.loss import ClipLoss

    unit = torch.nn.functional.normalize
    return ClipLoss()(unit(a, dim=1), unit(b, dim=1), torch.tensor(SCALE))


def open_clip_siglip(a, b, classes):
    import torch
    from open_clip.loss import SigLipLoss

    unit = torch.nn.functional.normalize
    return SigLipLoss()(unit(a, dim=1), unit(b, dim=1), SCALE, BIAS)


LOSSES = [
    *(lightly_nt_xent, metric_learning_nt_xent, lightly_decoupled),
    *(metric_learning_supcon, metric_learning_supcon_of_one_view),
    *(lightly_barlow_twins, lightly_vicreg, lightly_cosine, lightly_queue),
    *(open_clip_clip, open_clip_siglip),
]


def computed(loss, rows=8):
    """Value of a loss of another package, and its gradients by both views."""
    import torch

    a, b, classes = encodings(rows)
    views = [torch.tensor(view, requires_grad=True) for view in (a, b)]
    value = loss(*views, torch.tensor(classes))
    value.backward()
    gradients = [np.zeros_like(a) if v.grad is None else v.grad.numpy() for v in views]
    rounded = [np.round(gradient, 12).tolist() for gradient in gradients]
    return {"value": value.item(), "gradients": rounded}


def main():
    found = {loss.__name__: computed(loss) for loss in LOSSES}
    large = computed(lightly_nt_xent, rows=64)["value"]
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    result = {"packages": packages, "nt_xent_of_64": large, "losses": found}
    # One line for each loss, so that a change can be read.
    print(re.sub(r'(\}, )(?=")', r"\1\n", json.dumps(result)))


if __name__ == "__main__":
    main()
