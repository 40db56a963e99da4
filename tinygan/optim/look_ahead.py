"""The optimizers' updates as functions of tensors, which can be differentiated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygan.autograd import Tensor, before_replay, grad, wrap
from tinygan.backend import backend_of
from tinygan.ops import maximum, where, zeros_like
from tinygan.optim.adam import Adam
from tinygan.optim.optimizer import Group, Optimizer
from tinygan.optim.saved import step_count
from tinygan.optim.sgd import SGD

State = dict[str, Any]


def look_ahead(
    optimizer: Optimizer, loss: Callable[[Sequence[Tensor]], Tensor], steps: int
) -> list[Tensor]:
    """p_k, where p_0 are the optimizer's parameters and p_(i+1) its update of p_i for loss(p_i).

    The values are those of as many updates; neither the parameters nor the optimizer's state
    change, and the p_k can be differentiated by all that the loss depends on, through every step.
    For SGD, Adam and AdamW. Source: Metz et al., "Unrolled Generative Adversarial Networks", 2017,
    section 2.2.
    """
    form = next((form for kind, form in FORMS.items() if isinstance(optimizer, kind)), None)
    if form is None:
        known = ", ".join(kind.__name__ for kind in FORMS)
        raise TypeError(
            f"look_ahead: {type(optimizer).__name__} has no differentiable form; {known} have"
        )
    before_replay(optimizer.refresh)
    groups = [
        (number, {**group, **optimizer._static(group)})
        for number, group in enumerate(optimizer.param_groups)
        for _ in group["params"]
    ]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    states = [dict(optimizer.state.get(p, {})) for p in parameters]
    ahead: list[Tensor] = list(parameters)
    for _ in range(steps):
        gradients = grad(loss(ahead), ahead, create_graph=True, allow_unused=True)
        for i, ((number, group), g) in enumerate(zip(groups, gradients, strict=True)):
            if g is None:
                continue
            numbers = optimizer._hyper[number].on(
                backend_of(parameters[i].array), optimizer._numbers(group)
            )
            g = -g if group["maximize"] else g
            ahead[i] = form(ahead[i], g, states[i], wrap(numbers), group)
    return ahead


def _sgd(p: Tensor, g: Tensor, state: State, hyper: Tensor, group: Group) -> Tensor:
    """The formula of `optim.sgd.sgd`."""
    lr, momentum, dampening, weight_decay = (hyper[i].to(p.dtype) for i in range(4))
    if group["weight_decay"]:
        g = g + weight_decay * p
    if group["momentum"]:
        before = state.get("momentum_buffer")
        b = g if before is None else momentum * before + (1 - dampening) * g
        state["momentum_buffer"] = b
        g = g + momentum * b if group["nesterov"] else b
    return p - lr * g


def _adam(p: Tensor, g: Tensor, state: State, hyper: Tensor, group: Group) -> Tensor:
    """The formula of `optim.adam.adam`."""
    lr, b1, b2, eps, weight_decay = (hyper[i] for i in range(5))

    def like(number: Tensor) -> Tensor:
        return number.to(p.dtype)

    if group["weight_decay"]:
        if group["decoupled"]:
            p = p * like(1 - lr * weight_decay)
        else:
            g = g + like(weight_decay) * p
    zero = zeros_like(p)
    t = state["step"] = state.get("step", step_count(p)) + 1
    m = state["exp_avg"] = like(b1) * state.get("exp_avg", zero) + like(1 - b1) * g
    v = state["exp_avg_sq"] = like(b2) * state.get("exp_avg_sq", zero) + like(1 - b2) * g * g
    if group["amsgrad"]:
        v = state["max_exp_avg_sq"] = maximum(state.get("max_exp_avg_sq", zero), v)
    t = t.to(hyper.dtype)
    # the root has no derivative at 0, where neither gradient nor update has been
    some = v > 0
    root = where(some, where(some, v, 1.0).sqrt(), 0.0)
    denominator = root / like((1 - b2**t).sqrt()) + like(eps)
    return p - like(lr / (1 - b1**t)) * m / denominator


FORMS: dict[type[Optimizer], Callable[..., Tensor]] = {SGD: _sgd, Adam: _adam}
