"""Adam, and AdamW with decoupled weight decay."""

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
def adam(
    xp: Any,
    p: Any,
    g: Any,
    m: Any,
    v: Any,
    v_max: Any,
    step: Any,
    hyper: Any,
    *,
    decay: bool,
    decoupled: bool,
    maximize: bool,
) -> None:
    """p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  t is `step`, counted before.
    With `decay` g is g + lambda p, or p is first scaled by 1 - lr lambda if `decoupled`. Where
    `v_max` is not None it takes the place of v and is the largest v so far (AMSGrad). `hyper` is
    (lr, b1, b2, eps, lambda).
    """
    lr, b1, b2, eps, weight_decay = (hyper[i] for i in range(5))
    if maximize:
        g = -g
    if decay and decoupled:
        p *= scalar(1 - lr * weight_decay, p)
    elif decay:
        g = g + scalar(weight_decay, p) * p
    m *= scalar(b1, p)
    m += scalar(1 - b1, p) * g
    v *= scalar(b2, p)
    v += scalar(1 - b2, p) * g * g
    if v_max is not None:
        v_max[...] = xp.maximum(v_max, v)
        v = v_max
    t = step.astype(xp.float64)
    denominator = xp.sqrt(v) / scalar(xp.sqrt(1 - b2**t), p) + scalar(eps, p)
    p -= scalar(lr / (1 - b1**t), p) * m / denominator


adam.kernel("cpu", "tinygan.backend.cpu.updates:adam")
adam.kernel("cuda", "tinygan.backend.cuda.updates:adam")


class Adam(Optimizer):
    """p <- p - lr m / (sqrt(v) + eps), m and v the corrected moving means of g and g^2.

    The full formula is that of `adam`. Source: Kingma and Ba (2015), algorithm 1; AMSGrad:
    Reddi et al. (2018).
    """

    rule = adam
    decoupled = False

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )

    def _check(self, group: Group) -> None:
        check_range("learning rate", group["lr"], 0)
        check_range("epsilon value", group["eps"], 0)
        check_range("beta parameter at index 0", group["betas"][0], 0, 1)
        check_range("beta parameter at index 1", group["betas"][1], 0, 1)
        check_range("weight_decay value", group["weight_decay"], 0)

    def _numbers(self, group: Group) -> tuple[float, ...]:
        return (group["lr"], *group["betas"], group["eps"], group["weight_decay"])

    def _new_state(self, p: Tensor, group: Group) -> State:
        return {"step": step_count(p), "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def _static(self, group: Group) -> dict[str, Any]:
        decays = group["weight_decay"] != 0
        return {"decay": decays, "decoupled": self.decoupled, "maximize": group["maximize"]}

    def _arguments(self, p: Tensor, state: State, group: Group) -> tuple[Any, ...]:
        v_max = None
        if group["amsgrad"]:
            if "max_exp_avg_sq" not in state:
                state["max_exp_avg_sq"] = zeros_like(p)
            v_max = state["max_exp_avg_sq"].array
        m, v = state["exp_avg"].array, state["exp_avg_sq"].array
        return m, v, v_max, state["step"].array


class AdamW(Adam):
    """p <- (1 - lr lambda) p, then Adam's update.

    Source: Loshchilov and Hutter (2019), algorithm 2.
    """

    decoupled = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
