"""Rows for the augmentations, each with the same random numbers at every call."""

from __future__ import annotations

from collections.abc import Callable

from tinygan.autograd import Tensor
from tinygan.cli.gradients.table import normal, row
from tinygan.models.augment import AUGMENTATIONS
from tinygan.models.packing import pack
from tinygan.ops import Generator


def _drawn(augmentation: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: augmentation(x, generator=Generator(x.device).manual_seed(0))


for _name, _augmentation in AUGMENTATIONS.items():
    row(f"augment.{_name}", _drawn(_augmentation), normal(2, 3, 8, 6))
row("pack", lambda x: pack(x, 2).square(), normal(4, 2, 3))
