"""From one loss per element to the loss: `reduction` is 'mean', 'sum' or 'none'."""

from __future__ import annotations

from tinygan.autograd import Tensor
from tinygan.backend.errors import choose

REDUCTIONS = {
    "none": lambda loss: loss,
    "mean": lambda loss: loss.mean(),
    "sum": lambda loss: loss.sum(),
}


def reduce(loss: Tensor, reduction: str) -> Tensor:
    """The mean or the sum of all elements, or the elements themselves."""
    result: Tensor = choose("reduction", reduction, REDUCTIONS)(loss)
    return result


def same_shape(name: str, x: Tensor, target: Tensor) -> None:
    """Refuse a target of another shape, which would broadcast to a loss over all pairs."""
    if x.shape != target.shape:
        raise ValueError(
            f"{name}: the target has shape {tuple(target.shape)}, the input {tuple(x.shape)}; "
            "the same shape is expected, reshape one of them"
        )
