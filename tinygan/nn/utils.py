"""Work on the gradients and weights of a whole model: clipping, flattening, spectral norm."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tinygan import ops
from tinygan.autograd import Tensor, no_grad
from tinygan.nn.spectral_norm import remove_spectral_norm, spectral_norm

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "parameters_to_vector",
    "remove_spectral_norm",
    "spectral_norm",
    "vector_to_parameters",
]


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """g <- g min(1, max_norm / (|g| + 1e-6)), |g| the norm of all gradients as one vector.

    Returns |g| before. `error_if_nonfinite` reads it on the host and raises RuntimeError.
    """
    gradients = _gradients(parameters)
    if not gradients:
        return ops.tensor(0.0)
    norms = [g.norm(norm_type) for g in gradients]
    total: Tensor = norms[0] if len(norms) == 1 else ops.stack(norms).norm(norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"the total norm of order {norm_type} of the gradients is {total.item()}, so it "
            "cannot be clipped; pass error_if_nonfinite=False to scale by it anyway"
        )
    scale = (max_norm / (total + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g.mul_(scale)
    return total


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """g <- min(max(g, -clip_value), clip_value), elementwise."""
    for g in _gradients(parameters):
        g.clamp_(-clip_value, clip_value)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in given if p.grad is not None]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters in one vector, in order; differentiable."""
    return ops.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write the numbers of a vector into the parameters, in order, in place."""
    targets = list(parameters)
    count = sum(p.numel() for p in targets)
    if vec.ndim != 1 or vec.numel() != count:
        raise ValueError(
            f"vector_to_parameters: a vector of shape {tuple(vec.shape)} for {count} numbers"
        )
    start = 0
    with no_grad():
        for p in targets:
            end = start + p.numel()
            p.copy_(vec[start:end].reshape(p.shape))
            start = end
