"""The ResNet and its resampling against the same in PyTorch: values, penalties, derivatives."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import compare  # noqa: E402

import tinygan  # noqa: E402
from tinygan import models, nn  # noqa: E402
from tinygan.autograd import grad  # noqa: E402
from tinygan.losses import game, r1, r2  # noqa: E402

random = np.random.default_rng(0)


def filtered(x, up):
    """Bilinear by a factor of 2, as convolutions of every channel with [1, 3, 3, 1]."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype)
    kernel = (torch.outer(taps, taps) / 64).expand(x.shape[1], 1, 4, 4)
    if up:
        return torch.nn.functional.conv_transpose2d(
            x, 4 * kernel, stride=2, padding=1, groups=x.shape[1]
        )
    return torch.nn.functional.conv2d(x, kernel, stride=2, padding=1, groups=x.shape[1])


class Filtered(torch.nn.Module):
    def __init__(self, up):
        super().__init__()
        self.up = up

    def forward(self, x):
        return filtered(x, self.up)


class Residual(torch.nn.Module):
    def __init__(self, block):
        super().__init__()
        self.layers = counterpart(block.layers)

    def forward(self, x):
        return x + self.layers(x)


def counterpart(layer):
    """PyTorch's layer for one of ours, with its own weights."""
    if isinstance(layer, nn.Sequential):
        return torch.nn.Sequential(*map(counterpart, layer))
    if isinstance(layer, models.resnet.ResidualBlock):
        return Residual(layer)
    if isinstance(layer, nn.FIRResample):
        return Filtered(layer.up == 2)
    if isinstance(layer, nn.Conv2d):
        o, c, *kernel = layer.weight.shape
        return torch.nn.Conv2d(
            c * layer.groups, o, kernel, padding=layer.padding, groups=layer.groups,
            bias=layer.bias is not None,
        )  # fmt: skip
    if isinstance(layer, nn.Linear):
        return torch.nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
    return torch.nn.LeakyReLU(0.2) if isinstance(layer, nn.LeakyReLU) else torch.nn.Flatten()


class Generator(torch.nn.Module):
    def __init__(self, generator):
        super().__init__()
        basis = generator.basis
        self.maps = torch.nn.Parameter(torch.tensor(basis.maps.detach().numpy()))
        self.linear = torch.nn.Linear(*basis.linear.weight.shape[::-1], bias=False)
        self.layers = counterpart(generator.layers)

    def forward(self, z):
        return self.layers(self.linear(z)[:, :, None, None] * self.maps)


def with_weights(theirs, ours):
    """The weights of both: random ones, for at first much is 0."""
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        values = random.standard_normal(p.shape) * (2 / max(1, p.numel() // p.shape[0])) ** 0.5
        p.data.copy_(tinygan.tensor(values, dtype=p.dtype))
        q.data = torch.tensor(values, dtype=q.dtype)
    return theirs


def test_resampling_is_a_convolution():
    x = random.standard_normal((2, 3, 6, 4))
    for up in (True, False):

        def resampled(library, x, up=up):
            if library is torch:
                return filtered(x, up)
            return tinygan.ops.fir_resample(x, (1, 3, 3, 1), *((2, 1) if up else (1, 2)))

        compare(resampled, x, order=3)


@pytest.mark.parametrize("size", [28, 32])
def test_the_game_with_both_penalties(size):
    """Losses of G and D, R1 and R2, and the gradients by all weights, in float64."""
    G, D = (N.double() for N in models.build("resnet", (1, size, size), 5, 8))
    G_theirs = with_weights(Generator(G).double(), G)
    layers = torch.nn.Sequential(counterpart(D.layers), counterpart(D.head), torch.nn.Flatten(0))
    D_theirs = with_weights(layers.double(), D)
    z, x = random.standard_normal((3, 5)), random.standard_normal((3, 1, size, size))

    real, fake = tinygan.tensor(x), G(tinygan.tensor(z))
    played, held = game("relativistic"), fake.detach()
    d_loss = played.discriminator(D(real), D(held)) + 0.5 * (r1(D, real) + r2(D, held))
    g_loss = played.generator(D(real), D(fake))
    ours = grad(d_loss, D.parameters(), allow_unused=True), grad(g_loss, G.parameters())

    def slope(x):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(D_theirs(x).sum(), x, create_graph=True)
        return g.square().sum() / len(x)

    real, fake = torch.tensor(x), G_theirs(torch.tensor(z))
    softplus, held = torch.nn.functional.softplus, fake.detach()
    d_theirs = softplus(D_theirs(held) - D_theirs(real)).mean() + 0.5 * (slope(real) + slope(held))
    g_theirs = softplus(D_theirs(real) - D_theirs(fake)).mean()
    theirs = (
        torch.autograd.grad(d_theirs, list(D_theirs.parameters()), allow_unused=True),
        torch.autograd.grad(g_theirs, list(G_theirs.parameters())),
    )
    assert d_loss.item() == pytest.approx(d_theirs.item(), rel=1e-9)
    assert g_loss.item() == pytest.approx(g_theirs.item(), rel=1e-9)
    for mine, other in zip((*ours[0], *ours[1]), (*theirs[0], *theirs[1]), strict=True):
        expected = other.numpy()
        np.testing.assert_allclose(
            mine.numpy(), expected, rtol=1e-7, atol=1e-9 * abs(expected).max()
        )
