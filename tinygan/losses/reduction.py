"""From one loss per element to the loss: `reduction` is 'mean', 'sum' or 'none'."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from tinygan.autograd import Tensor
from tinygan.backend.errors import choose

Result = TypeVar("Result")

REDUCTIONS = {
    "none": lambda loss: loss,
    "mean": lambda loss: loss.mean(),
    "sum": lambda loss: loss.sum(),
}


def reduce(loss: Tensor, reduction: str) -> Tensor:
    """The mean or the sum of all elements, or the elements themselves."""
    result: Tensor = choose("reduction", reduction, REDUCTIONS)(loss)
    return result


def takes_old_names(function: Callable[..., Result]) -> Callable[..., Result]:
    """Let a loss, or a layer's __init__, take `size_average` and `reduce` for `reduction` too.

    Scripts from before 2018 say size_average=False for 'sum' and reduce=False for 'none'.
    """

    @wraps(function)
    def taking(
        *args: Any, size_average: bool | None = None, reduce: bool | None = None, **options: Any
    ) -> Result:
        if size_average is not None or reduce is not None:
            mean_or_sum = "sum" if size_average is False else "mean"
            options["reduction"] = "none" if reduce is False else mean_or_sum
            warnings.warn(
                "size_average and reduce are old names; say "
                f"reduction={options['reduction']!r} instead",
                stacklevel=2,
            )
        return function(*args, **options)

    return taking


def same_shape(name: str, x: Tensor, target: Tensor) -> None:
    """Refuse a target of another shape, which would broadcast to a loss over all pairs."""
    if x.shape != target.shape:
        raise ValueError(
            f"{name}: the target has shape {tuple(target.shape)}, the input {tuple(x.shape)}; "
            "the same shape is expected, reshape one of them"
        )
