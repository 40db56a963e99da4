"""Gradients verified numerically, to any order, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygan.autograd.graph import grad
from tinygan.autograd.tensor import Tensor, wrap
from tinygan.backend import backend_of, host_array

Function = Callable[..., Any]

STEP = 1e-3  # fourth-order differences: truncation ~ STEP**4, rounding ~ 1e-16 / STEP


class GradcheckError(AssertionError):
    """An analytic and a numeric derivative that disagree."""


@dataclass
class GradcheckReport:
    """The worst relative error of each order, and the orders at which a kink was met."""

    errors: dict[int, float] = field(default_factory=dict)
    kinks: set[int] = field(default_factory=set)

    @property
    def worst(self) -> float:
        return max(self.errors.values(), default=0.0)


def gradcheck(
    f: Function,
    inputs: Tensor | Sequence[Tensor],
    order: int = 2,
    tolerance: float = 1e-6,
    directions: int = 2,
    seed: int = 0,
) -> bool:
    """Whether the derivatives of f up to `order` are those that differences of f show.

    See `check`, which does the work. Raises GradcheckError, naming the order, both numbers and
    their relative difference, if one is off by more than `tolerance`.
    """
    report = check(f, inputs, order, directions, seed)
    for level, error in report.errors.items():
        if not error <= tolerance:
            raise GradcheckError(
                f"gradcheck: at order {level} the analytic and the numeric derivative differ by "
                f"{error:.2e} (relative), more than {tolerance:.0e}"
            )
    return True


def check(
    f: Function,
    inputs: Tensor | Sequence[Tensor],
    order: int = 2,
    directions: int = 2,
    seed: int = 0,
) -> GradcheckReport:
    """Compare <v, grad f> with central differences of f along random directions v.

    phi(e) = <u, f(x + e v)> for random u, v; phi'(0) is computed by `grad` and by the fourth-order
    stencil (8 (phi(h/2) - phi(-h/2)) - (phi(h) - phi(-h))) / 6h. One direction suffices to catch
    an error almost surely, at a cost that does not grow with the size of x. For the next order
    the same is done to the gradient, as a function of x and u, projected on random vectors.

    The inputs that require a gradient, all float64, are varied. Where phi has different slopes on
    both sides of x the report notes a kink and the order is not judged.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    varied = [i for i, x in enumerate(inputs) if x.requires_grad]
    if not varied:
        raise ValueError("gradcheck: no input requires a gradient")
    for i in varied:
        if inputs[i].dtype != np.float64:
            raise TypeError(f"gradcheck: input {i} is {inputs[i].dtype}, expected float64")

    def of_varied(*xs: Tensor) -> tuple[Tensor, ...]:
        arguments = list(inputs)
        for i, x in zip(varied, xs, strict=True):
            arguments[i] = x
        result = f(*arguments)
        results = (result,) if isinstance(result, Tensor) else tuple(result)
        return tuple(y for y in results if y.requires_grad) or results

    report = GradcheckReport()
    random = np.random.default_rng(seed)
    points = [host_array(inputs[i].array).copy() for i in varied]
    like = backend_of(inputs[varied[0]].array)
    for _ in range(directions):
        _check_level(of_varied, points, like, 1, order, random, report)
    return report


def _check_level(
    f: Function,
    points: list[np.ndarray],
    like: Any,
    level: int,
    order: int,
    random: np.random.Generator,
    report: GradcheckReport,
) -> None:
    leaves = [_leaf(p, like) for p in points]
    outputs = f(*leaves)
    seeds = [random.standard_normal(y.shape) for y in outputs]
    tangents = [random.standard_normal(p.shape) for p in points]
    live = [(y, u) for y, u in zip(outputs, seeds, strict=True) if y.requires_grad]
    analytic = 0.0
    if live:
        gradients = grad(
            [y for y, _ in live], leaves, [_leaf(u, like) for _, u in live], allow_unused=True
        )
        analytic = sum(
            float(np.vdot(host_array(g.array), v))
            for g, v in zip(gradients, tangents, strict=True)
            if g is not None
        )

    def phi(e: float) -> float:
        moved = [_leaf(p + e * v, like) for p, v in zip(points, tangents, strict=True)]
        return sum(
            float(np.vdot(host_array(y.array), u)) for y, u in zip(f(*moved), seeds, strict=True)
        )

    error, kink = _compare(phi, analytic)
    if kink:
        report.kinks.add(level)
    else:
        report.errors[level] = max(error, report.errors.get(level, 0.0))
    if level == order:
        return
    projections = [random.standard_normal(p.shape) for p in points]
    count = len(points)

    def gradient(*arguments: Tensor) -> tuple[Tensor, ...]:
        xs = [x if x.requires_grad else _leaf(x.array, like) for x in arguments[:count]]
        us = arguments[count:]
        outputs = f(*xs)
        live = [(y, u) for y, u in zip(outputs, us, strict=True) if y.requires_grad]
        if not live:
            return tuple(wrap(like.xp.zeros(())) for _ in projections)
        gradients = grad(
            [y for y, _ in live], xs, [u for _, u in live], create_graph=True, allow_unused=True
        )
        return tuple(
            wrap(like.xp.zeros(())) if g is None else (g * wrap(like.from_host(c))).sum()
            for g, c in zip(gradients, projections, strict=True)
        )

    _check_level(gradient, points + seeds, like, level + 1, order, random, report)


def _leaf(array: Any, like: Any) -> Tensor:
    if isinstance(array, (np.ndarray, np.generic)):
        array = like.from_host(np.asarray(array))
    return wrap(array).requires_grad_()


def _compare(phi: Callable[[float], float], analytic: float) -> tuple[float, bool]:
    """The smallest relative error over shrinking steps, and whether phi has a kink at 0."""
    best, middle = np.inf, phi(0.0)
    jumps = []
    for h in (STEP, STEP / 8, STEP / 64):
        far, near = (phi(h), phi(-h)), (phi(h / 2), phi(-h / 2))
        numeric = (8 * (near[0] - near[1]) - (far[0] - far[1])) / (6 * h)
        scale = abs(numeric) + abs(analytic)
        error = abs(numeric - analytic) / scale if scale > 1e-9 else abs(numeric - analytic)
        if np.isnan(error):
            return np.nan, False
        best = min(best, error)
        if best < 1e-7:
            return best, False
        jumps.append(abs(far[0] + far[1] - 2 * middle) / (h * scale))
    # on a smooth function the slopes of the two sides approach each other as the step shrinks
    return best, bool(jumps[-1] > 1e-4 and jumps[-1] > 0.5 * jumps[0])
