"""Minibatch standard deviation: a feature that tells how varied a batch is."""

from __future__ import annotations

from tinygan import ops
from tinygan.autograd import Tensor
from tinygan.nn.module import Module


class MinibatchStd(Module):
    """(N, C, ...) -> (N, C + 1, ...): behind x, per group of samples, the mean of their deviations.

    s = mean over channels and places of sqrt(var over the group + eps), the same number for all
    samples of a group and all places. Sample n is in group n mod (N / group_size); a smaller batch
    is one group. Source: Karras et al., "Progressive Growing of GANs", 2018, section 3.
    """

    def __init__(self, group_size: int = 4, eps: float = 1e-8) -> None:
        super().__init__()
        self.group_size = group_size
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        size = min(self.group_size, len(x))
        if len(x) % size:
            raise ValueError(
                f"MinibatchStd: groups of {size} do not fill a batch of {len(x)}; choose a batch "
                "size or a group_size that divides it"
            )
        groups = x.reshape(size, len(x) // size, -1)
        deviation = (groups.var(0, correction=0) + self.eps).sqrt().mean(1)
        shape = (len(x), 1, *x.shape[2:])
        one = deviation.repeat(size).reshape(len(x), *(1,) * (x.ndim - 1))
        return ops.cat([x, one.expand(*shape)], 1)

    def extra_repr(self) -> str:
        return f"group_size={self.group_size}"
