"""Adagrad."""

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
def adagrad(
    xp: Any,
    p: Any,
    g: Any,
    total: Any,
    step: Any,
    hyper: Any,
    *,
    decay: bool,
    maximize: bool,
) -> None:
    """p <- p - lr / (1 + (t - 1) eta) g / (sqrt(s) + eps), s <- s + g^2.

    s is `total`, t is `step`, counted before. `hyper` is (lr, eta, eps, lambda); with
    `decay` g is g + lambda p.
    """
    lr, lr_decay, eps, weight_decay = (hyper[i] for i in range(4))
    if maximize:
        g = -g
    if decay:
        g = g + scalar(weight_decay, p) * p
    total += g * g
    rate = lr / (1 + (step.astype(xp.float64) - 1) * lr_decay)
    p -= scalar(rate, p) * g / (xp.sqrt(total) + scalar(eps, p))


adagrad.kernel("cpu", "tinygan.backend.cpu.updates:adagrad")
adagrad.kernel("cuda", "tinygan.backend.cuda.updates:adagrad")


class Adagrad(Optimizer):
    """p <- p - lr g / (sqrt(s) + eps), s the sum of g^2; the full formula is `adagrad`'s.

    Source: Duchi, Hazan and Singer (2011), section 1.1.
    """

    rule = adagrad

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "maximize": maximize,
            },
        )

    def _check(self, group: Group) -> None:
        check_range("learning rate", group["lr"], 0)
        check_range("lr_decay value", group["lr_decay"], 0)
        check_range("weight_decay value", group["weight_decay"], 0)
        check_range("initial_accumulator_value", group["initial_accumulator_value"], 0)
        check_range("epsilon value", group["eps"], 0)

    def _numbers(self, group: Group) -> tuple[float, ...]:
        return tuple(group[k] for k in ("lr", "lr_decay", "eps", "weight_decay"))

    def _new_state(self, p: Tensor, group: Group) -> State:
        total = zeros_like(p)
        total.array[...] = group["initial_accumulator_value"]
        return {"step": step_count(p), "sum": total}

    def _static(self, group: Group) -> dict[str, Any]:
        return {"decay": group["weight_decay"] != 0, "maximize": group["maximize"]}

    def _arguments(self, p: Tensor, state: State, group: Group) -> tuple[Any, ...]:
        return state["sum"].array, state["step"].array
