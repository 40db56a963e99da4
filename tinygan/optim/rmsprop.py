"""RMSprop."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor
from tinygan.ops import zeros_like
from tinygan.optim.optimizer import (
    Group,
    Optimizer,
    Parameters,
    State,
    check_range,
)
from tinygan.optim.rule import rule, scalar
from tinygan.optim.saved import step_count


@rule
def rmsprop(
    xp: Any,
    p: Any,
    g: Any,
    v: Any,
    mean: Any,
    buffer: Any,
    step: Any,
    hyper: Any,
    *,
    decay: bool,
    maximize: bool,
) -> None:
    """p <- p - lr g / (sqrt(v) + eps), v <- alpha v + (1 - alpha) g^2.

    With `mean` (not None: m <- alpha m + (1 - alpha) g) sqrt(v - m^2) takes the place of sqrt(v);
    with `buffer` (b <- mu b + g / (...)) the update is p - lr b. `hyper` is (lr, alpha, eps,
    lambda, mu); with `decay` g is g + lambda p; `step` counts the updates.
    """
    lr, alpha, eps, weight_decay, momentum = (hyper[i] for i in range(5))
    if maximize:
        g = -g
    if decay:
        g = g + scalar(weight_decay, p) * p
    variance = moved(p, g, v, mean, alpha)
    g = g / (xp.sqrt(variance) + scalar(eps, p))
    if buffer is not None:
        buffer *= scalar(momentum, p)
        buffer += g
        g = buffer
    p -= scalar(lr, p) * g


def moved(p: Any, g: Any, v: Any, mean: Any, alpha: Any) -> Any:
    """Move v, and the mean if there is one, towards g^2 and g; what stands under the root."""
    v *= scalar(alpha, p)
    v += scalar(1 - alpha, p) * g * g
    if mean is None:
        return v
    mean *= scalar(alpha, p)
    mean += scalar(1 - alpha, p) * g
    return v - mean * mean


rmsprop.kernel("cpu", "tinygan.backend.cpu.updates:rmsprop")
rmsprop.kernel("cuda", "tinygan.backend.cuda.updates:rmsprop")


class RMSprop(Optimizer):
    """p <- p - lr g / (sqrt(v) + eps), v the moving mean of g^2; the full formula is `rmsprop`'s.

    Source: Tieleman and Hinton (2012), lecture 6.5; `centered`: Graves (2013), section 4.
    """

    rule = rmsprop

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check(self, group: Group) -> None:
        check_range("learning rate", group["lr"], 0)
        check_range("epsilon value", group["eps"], 0)
        check_range("momentum value", group["momentum"], 0)
        check_range("weight_decay value", group["weight_decay"], 0)
        check_range("alpha value", group["alpha"], 0)

    def _numbers(self, group: Group) -> tuple[float, ...]:
        return tuple(group[k] for k in ("lr", "alpha", "eps", "weight_decay", "momentum"))

    def _new_state(self, p: Tensor, group: Group) -> State:
        return {"step": step_count(p), "square_avg": zeros_like(p)}

    def _static(self, group: Group) -> dict[str, Any]:
        return {"decay": group["weight_decay"] != 0, "maximize": group["maximize"]}

    def _arguments(self, p: Tensor, state: State, group: Group) -> tuple[Any, ...]:
        optional: list[Any] = []
        for name, wanted in (("grad_avg", "centered"), ("momentum_buffer", "momentum")):
            if group[wanted] and name not in state:
                state[name] = zeros_like(p)
            optional.append(state[name].array if group[wanted] else None)
        return state["square_avg"].array, *optional, state["step"].array
