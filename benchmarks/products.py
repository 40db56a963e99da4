"""The products and convolutions of training steps on a GPU, each to be computed again alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from tinygan.backend import backend_for
from tinygan.backend.cuda import convolution, geometry, product
from tinygan.cli.bench import with_tinygan
from tinygan.cli.bench.workloads import Place


class Problem(NamedTuple):
    """A product, or a convolution (forward, transposed, weights), and what it is planned from."""

    what: str
    arguments: tuple[Any, ...]

    @property
    def tensor(self) -> int:
        """How factors are rounded, by the numbers of tensor_cores.cuh."""
        return int(self.arguments[-1])


def problems(workload: str, precision: str) -> Counter[Problem]:
    """What a step plans, and how often."""
    step = with_tinygan.build(workload, "tinygan eager", Place("cuda", 1, precision))
    with planned() as found:
        step(0)
    return found


@contextmanager
def planned() -> Iterator[Counter[Problem]]:
    """What is planned from now on."""
    found: Counter[Problem] = Counter()
    plan_product, plan_convolution = product._plan, geometry.plan

    def planned_product(*arguments: Any) -> Any:
        found[Problem("product", arguments)] += 1
        return plan_product(*arguments)

    def planned_convolution(*arguments: Any) -> Any:
        found[Problem(arguments[0], arguments)] += 1
        return plan_convolution(*arguments)

    with (
        patch.object(product, "_plan", planned_product),
        patch.object(geometry, "plan", planned_convolution),
    ):
        yield found


def call(problem: Problem) -> Callable[[], Any]:
    """The same computation on numbers of its own."""
    precision = {code: name for name, code in product.ROUNDED.items()}.get(problem.tensor)
    if problem.what == "product":
        a, b, out = matrices(problem)
        return lambda: product.matmul(a, b, precision=precision, out=out)
    image, w, output, static = images(problem)
    windows = {"stride": static.stride, "dilation": static.dilation, "groups": static.groups}
    starts = tuple((start, start) for start in static.start)
    more = {**windows, "precision": precision, "padding": starts}
    if problem.what == "forward":
        ends = [
            (output.shape[2 + d] - 1) * static.stride[d]
            + static.dilation[d] * (w.shape[2 + d] - 1) + 1 - image.shape[2 + d] - static.start[d]
            for d in (0, 1)
        ]  # fmt: skip
        more["padding"] = tuple(zip(static.start, ends, strict=True))
        return lambda: convolution.conv2d(image, w, out=output, **more)
    if problem.what == "transposed":
        size = image.shape[2:]
        return lambda: convolution.conv2d_input_grad(output, w, size=size, out=image, **more)
    kernel = w.shape[2:]
    return lambda: convolution.conv2d_weight_grad(image, output, kernel=kernel, out=w, **more)


def matrices(problem: Problem) -> list[Any]:
    *wheres, _, itemsize, _ = problem.arguments
    return [array(where, itemsize) for where in wheres]


def images(problem: Problem) -> tuple[Any, Any, Any, geometry.Static]:
    """Image, weights, output, one of which is computed, and how windows lie."""
    what, x, (shape, _), y, static, itemsize, _ = problem.arguments
    steps = np.empty(shape, np.dtype(f"f{itemsize}")).strides
    a, w, b = (array(where, itemsize) for where in (x, (shape, steps), y))
    return (b, w, a, static) if what == "transposed" else (a, w, b, static)


def array(where: Any, itemsize: int) -> Any:
    """Numbers with such a shape and such steps in bytes."""
    shape, steps = where
    size = sum((n - 1) * abs(step) for n, step in zip(shape, steps, strict=True)) // itemsize + 1
    backend, kind = backend_for("cuda"), np.dtype(f"f{itemsize}")
    memory = backend.from_host(np.random.default_rng(0).standard_normal(size).astype(kind))
    return backend.at(backend.address(memory), shape, steps, kind, memory)
