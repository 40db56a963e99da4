"""Packing: the discriminator judges several samples together, so that it sees a lack of variety."""

from __future__ import annotations

from tinygan import nn
from tinygan.autograd import Tensor
from tinygan.backend.errors import UserError


def pack(x: Tensor, count: int) -> Tensor:
    """(N, C, ...) -> (N / count, count C, ...): samples that follow each other, side by side."""
    if len(x) % count:
        fitting = max(len(x) - len(x) % count, count)
        raise UserError(
            f"packs of {count} do not fill a batch of {len(x)}; a batch of {fitting} would fit"
        )
    return x.reshape(len(x) // count, count * x.shape[1], *x.shape[2:])


class Packed(nn.Module):
    """(N, C, ...) -> what `discriminator` makes of N / count packs (N / count, count C, ...).

    Lin, Khetan, Fanti and Oh, "PacGAN: The power of two samples in generative adversarial
    networks", 2018, section 2: the same data, networks and loss, but D takes `count` samples as
    the channels of one.
    """

    def __init__(self, discriminator: nn.Module, count: int) -> None:
        super().__init__()
        if count < 1:
            raise ValueError(f"Packed: packs of {count} samples, expected 1 or more")
        self.discriminator = discriminator
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.discriminator(pack(x, self.count))
        return logits
