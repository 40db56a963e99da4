"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor
from tinygan.ops import zeros_like
from tinygan.optim.optimizer import Group, Optimizer, Parameters, State, check_range
from tinygan.optim.rule import rule, scalar


@rule
def sgd(
    xp: Any,
    p: Any,
    g: Any,
    buffer: Any,
    first: bool,
    hyper: Any,
    *,
    decay: bool,
    nesterov: bool,
    maximize: bool,
) -> None:
    """b <- mu b + (1 - tau) g;  p <- p - lr b  (nesterov: p - lr (g + mu b)).

    g is -g to maximize, then g + lambda p with `decay`. `hyper` is (lr, mu, tau, lambda);
    `buffer` is None where mu = 0, and b <- g at the `first` update.
    """
    lr, momentum, dampening, weight_decay = (scalar(hyper[i], p) for i in range(4))
    if maximize:
        g = -g
    if decay:
        g = g + weight_decay * p
    if buffer is not None:
        if first:
            buffer[...] = g
        else:
            buffer *= momentum
            buffer += (1 - dampening) * g
        g = g + momentum * buffer if nesterov else buffer
    p -= lr * g


sgd.kernel("cpu", "tinygan.backend.cpu.updates:sgd")
sgd.kernel("cuda", "tinygan.backend.cuda.updates:sgd")


class SGD(Optimizer):
    """p <- p - lr g, or along the moving sum of gradients with `momentum` (see `sgd`).

    Source: Polyak (1964); Nesterov momentum as in Sutskever et al. (2013), section 2.
    """

    rule = sgd

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _check(self, group: Group) -> None:
        check_range("learning rate", group["lr"], 0)
        check_range("momentum value", group["momentum"], 0)
        check_range("weight_decay value", group["weight_decay"], 0)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def _numbers(self, group: Group) -> tuple[float, ...]:
        return (group["lr"], group["momentum"], group["dampening"], group["weight_decay"])

    def _new_state(self, p: Tensor, group: Group) -> State:
        return {}

    def _static(self, group: Group) -> dict[str, Any]:
        decays = group["weight_decay"] != 0
        return {"decay": decays, "nesterov": group["nesterov"], "maximize": group["maximize"]}

    def _arguments(self, p: Tensor, state: State, group: Group) -> tuple[Any, ...]:
        if not group["momentum"]:
            return None, False
        first = False
        if state.get("momentum_buffer") is None:  # None: as PyTorch saves it before the first step
            state["momentum_buffer"] = zeros_like(p)
            first = group["dampening"] != 0  # without it, mu 0 + g is g
        return state["momentum_buffer"].array, first
