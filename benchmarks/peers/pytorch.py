"""Idiomatic PyTorch on the processor, with the same layers."""

from collections.abc import Callable

import torch
from torch import nn

from benchmarks import peers


def _mlp(*units):
    layers = []
    for inputs, outputs in zip(units[:-2], units[1:-1], strict=True):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(*units[-2:]))


class _Separable(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = _mlp(100, 100, 100), _mlp(100, 100, 100)

    def forward(self, x, y):
        return self.one(x) @ self.other(y).T


class _Bilinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Linear(100, 100, bias=False)

    def forward(self, x, y):
        return self.weight(x) @ y.T


class _Concatenated(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp = _mlp(200, 200, 1)

    def forward(self, x, y):
        rows = len(x)
        x_tiled = x[:, None].expand(-1, rows, -1)
        y_tiled = y[None].expand(rows, -1, -1)
        return self.mlp(torch.cat([x_tiled, y_tiled], dim=2))[..., 0]


def prepare(critic: str, batch_size: int) -> Callable[[int], None]:
    """See `peers`."""
    torch.manual_seed(0)
    model = nn.ModuleList(
        [
            _mlp(392, 300, 300, 100),
            _mlp(392, 300, 300, 100),
            {"bilinear": _Bilinear, "separable": _Separable, "mlp": _Concatenated}[
                critic
            ](),
        ]
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    images = torch.from_numpy(peers.images())
    labels = torch.arange(batch_size)

    def train(steps):
        for _ in range(steps):
            batch = images[torch.randint(len(images), (batch_size,))].float() / 255
            encoder_x, encoder_y, score = model
            scores = score(encoder_x(batch[:, :392]), encoder_y(batch[:, 392:]))
            loss = nn.functional.cross_entropy(scores, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        loss.item()

    return train
