"""Gradients verified numerically, to any order, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygan.autograd.graph import grad
from tinygan.autograd.mode import enable_grad
from tinygan.autograd.tensor import Tensor, wrap
from tinygan.backend import backend_of, host_array

Function = Callable[..., Any]

# Fourth-order differences: truncation ~ h**4, rounding ~ 1e-16 / h. The first step is best for
# smooth functions of ordinary size; the others reach points that are close to a kink.
STEPS = (1e-3, 1e-3 / 8, 1e-3 / 64)
GOOD = 1e-9  # no smaller step is tried once the numbers agree to this


class GradcheckError(AssertionError):
    """An analytic and a numeric derivative that disagree."""


@dataclass
class GradcheckReport:
    """The worst relative error of each order, and the orders at which a kink was met.

    `numbers` holds the analytic and the numeric derivative behind each worst error.
    """

    errors: dict[int, float] = field(default_factory=dict)
    kinks: set[int] = field(default_factory=set)
    numbers: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def worst(self) -> float:
        """The largest error of all orders; nan if any is nan."""
        return float(np.max(list(self.errors.values()), initial=0.0))

    def add(self, order: int, error: float, analytic: float, numeric: float) -> None:
        """Keep the error if it is the worst of its order; nan is worse than any number."""
        known = self.errors.get(order, -1.0)
        if not np.isnan(known) and not error <= known:
            self.errors[order], self.numbers[order] = error, (analytic, numeric)


def gradcheck(
    f: Function,
    inputs: Tensor | Sequence[Tensor],
    order: int = 2,
    tolerance: float = 1e-6,
    directions: int = 2,
    seed: int = 0,
) -> bool:
    """True if the derivatives of f up to `order` are those that differences of f show.

    See `check`, which does the work. Raises GradcheckError, naming the function, the order, both
    numbers and their relative difference, if one is off by more than `tolerance`.
    """
    report = check(f, inputs, order, directions, seed)
    for level, error in report.errors.items():
        if not error <= tolerance:
            analytic, numeric = report.numbers[level]
            raise GradcheckError(
                f"gradcheck: {getattr(f, '__name__', f)}: the derivative of order {level} along a "
                f"random direction is {analytic:.9g} by its rules but {numeric:.9g} by "
                f"differences, a relative error of {error:.1e}; the tolerance is {tolerance:.0e}"
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

    The error is |analytic - numeric| / (sqrt(sum_i (v_i grad_i f)^2) + |numeric|): summands that
    cancel along one direction raise no false alarm. The inputs that require a gradient, all
    float64, are varied. Where phi has a kink or a jump at x, however close one looks, the report
    notes it as a kink; neither this order nor higher ones are judged. An f whose value changes
    between two calls is a GradcheckError.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    varied = [i for i, x in enumerate(inputs) if x.requires_grad]
    if not varied:
        raise ValueError("gradcheck: no input requires a gradient")
    for i in varied:
        if inputs[i].dtype != np.float64:
            raise TypeError(
                f"gradcheck: input {i} is {inputs[i].dtype}, expected float64, in which "
                "differences are precise enough; use x.double()"
            )

    def of_varied(*xs: Tensor) -> tuple[Tensor, ...]:
        arguments = list(inputs)
        for i, x in zip(varied, xs, strict=True):
            arguments[i] = x
        result = f(*arguments)
        results = (result,) if isinstance(result, Tensor) else tuple(result)
        return tuple(y for y in results if y.dtype.kind == "f")

    report = GradcheckReport()
    random = np.random.default_rng(seed)
    points = [host_array(inputs[i].array).copy() for i in varied]
    like = backend_of(inputs[varied[0]].array)
    with enable_grad():
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
    gradients = _gradients(outputs, leaves, [_leaf(u, like) for u in seeds], create_graph=False)
    products = [
        host_array(g.array) * v for g, v in zip(gradients, tangents, strict=True) if g is not None
    ]
    analytic = sum(float(p.sum()) for p in products)
    size = sum(float(np.vdot(p, p)) for p in products) ** 0.5

    def phi(e: float) -> float:
        moved = [_leaf(p + e * v, like) for p, v in zip(points, tangents, strict=True)]
        return sum(
            float(np.vdot(host_array(y.array), u)) for y, u in zip(f(*moved), seeds, strict=True)
        )

    error, numeric = _compare(phi, analytic, size)
    if error is None:
        report.kinks.add(level)
        return
    report.add(level, error, analytic, numeric)
    if level == order:
        return
    projections = [random.standard_normal(p.shape) for p in points]
    count = len(points)

    def gradient(*arguments: Tensor) -> tuple[Tensor, ...]:
        xs, us = arguments[:count], arguments[count:]
        gradients = _gradients(f(*xs), xs, us, create_graph=True)
        return tuple(
            wrap(like.xp.zeros(())) if g is None else (g * wrap(like.from_host(c))).sum()
            for g, c in zip(gradients, projections, strict=True)
        )

    _check_level(gradient, points + seeds, like, level + 1, order, random, report)


def _gradients(
    outputs: Sequence[Tensor], xs: Sequence[Tensor], us: Sequence[Tensor], create_graph: bool
) -> Sequence[Tensor | None]:
    """`grad` of the outputs that depend on anything; None for each x if none does."""
    live = [(y, u) for y, u in zip(outputs, us, strict=True) if y.requires_grad]
    if not live:
        return [None] * len(xs)
    ys, seeds = zip(*live, strict=True)
    return grad(ys, xs, seeds, create_graph=create_graph, allow_unused=True)


def _leaf(array: Any, like: Any) -> Tensor:
    return wrap(like.from_host(np.asarray(array))).requires_grad_()


def _compare(
    phi: Callable[[float], float], analytic: float, size: float
) -> tuple[float | None, float]:
    """The least relative error over shrinking steps and its numeric value; None at a kink."""
    middle, best = phi(0.0), (np.nan, np.nan)
    slopes, jumps = [], []
    for h in STEPS:
        far, near = (phi(h), phi(-h)), (phi(h / 2), phi(-h / 2))
        numeric = (8 * (near[0] - near[1]) - (far[0] - far[1])) / (6 * h)
        scale = size + abs(numeric)
        error = abs(numeric - analytic) / (scale if scale > 1e-9 else 1.0)
        if error < best[0] or np.isnan(best[0]):
            best = (error, numeric)
        if best[0] < GOOD:
            return best
        slopes.append(abs(far[0] + far[1] - 2 * middle) / h)  # of the two sides: their difference
        jumps.append(abs(far[0] - far[1]))
    if phi(0.0) != middle and not np.isnan(middle):
        raise GradcheckError("gradcheck: two calls with the same inputs gave different values")
    # on a smooth function both shrink with the step
    kink = slopes[-1] > 1e-4 * (size + abs(numeric)) and slopes[-1] > 0.5 * slopes[0]
    jump = jumps[-1] > 1e-4 * size and jumps[-1] > 0.5 * jumps[0]
    return (None, best[1]) if (kink or jump) and best[0] > 1e-7 else best
