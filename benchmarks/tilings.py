"""How good the choice of tiles is: products of training steps on a GPU, in every tile that may be.

python benchmarks/tilings.py [--workload dcgan64] [--precision tf32] [--json FILE]

`tinygan.backend.cuda.product.tiling` chooses by an estimate. This times what a step computes, as it
is chosen and in other ways: into which tiles, and into how many parts of the depth.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from tinygan.backend import backend_for
from tinygan.backend.cuda import convolution, geometry, product
from tinygan.cli.bench import with_tinygan
from tinygan.cli.bench.clocks import measured
from tinygan.cli.bench.workloads import EXACT, WORKLOADS, Place

Choice = tuple[int, int]  # tile, parts
WORTH = 3.0  # times the shortest estimate: what is longer is not tried
APART = 1.1  # times the fastest: what is named


class Problem(NamedTuple):
    """A product, or a convolution (forward, transposed, weights), and what it is planned from."""

    what: str
    arguments: tuple[Any, ...]


def problems(workload: str, precision: str) -> Counter[Problem]:
    """What a step plans, and how often."""
    found: Counter[Problem] = Counter()
    plan_product, plan_convolution = product._plan, geometry.plan

    def planned_product(*arguments: Any) -> Any:
        found[Problem("product", arguments)] += 1
        return plan_product(*arguments)

    def planned_convolution(*arguments: Any) -> Any:
        found[Problem(arguments[0], arguments)] += 1
        return plan_convolution(*arguments)

    step = with_tinygan.build(workload, "tinygan eager", Place("cuda", 1, precision))
    with (
        patch.object(product, "_plan", planned_product),
        patch.object(geometry, "plan", planned_convolution),
    ):
        step(0)
    return found


def call(problem: Problem) -> Callable[[], Any]:
    """The same computation on numbers of its own."""
    rounding = {code: name for name, code in product.ROUNDED.items()}
    if problem.what == "product":
        x, w, y, _, itemsize, tensor = problem.arguments
        a, b, out = (array(where, itemsize) for where in (x, w, y))
        return lambda: product.matmul(a, b, precision=rounding.get(tensor), out=out)
    what, x, (shape, _), y, static, itemsize, tensor = problem.arguments
    a, out = array(x, itemsize), array(y, itemsize)
    steps = np.empty(shape, np.dtype(f"f{itemsize}")).strides
    w = array((shape, steps), itemsize)
    windows = {"stride": static.stride, "dilation": static.dilation, "groups": static.groups}
    ends = [
        (y[0][2 + d] - 1) * static.stride[d]
        + static.dilation[d] * (shape[2 + d] - 1) + 1 - x[0][2 + d] - static.start[d]
        for d in (0, 1)
    ]  # fmt: skip
    starts = tuple((start, start) for start in static.start)
    more = {**windows, "precision": rounding.get(tensor), "padding": starts}
    if what == "forward":
        more["padding"] = tuple(zip(static.start, ends, strict=True))
        return lambda: convolution.conv2d(a, w, out=out, **more)
    if what == "transposed":
        return lambda: convolution.conv2d_input_grad(a, w, size=y[0][2:], out=out, **more)
    return lambda: convolution.conv2d_weight_grad(a, out, kernel=shape[2:], out=w, **more)


def array(where: Any, itemsize: int) -> Any:
    """Numbers with such a shape and such steps in bytes."""
    shape, steps = where
    size = sum((n - 1) * abs(step) for n, step in zip(shape, steps, strict=True)) // itemsize + 1
    backend, kind = backend_for("cuda"), np.dtype(f"f{itemsize}")
    memory = backend.from_host(np.random.default_rng(0).standard_normal(size).astype(kind))
    return backend.at(backend.address(memory), shape, steps, kind, memory)


def tried(problem: Problem) -> dict[str, Any]:
    """The seconds of each choice that may be worth it, the one that is chosen first."""
    run, sizes, chosen = call(problem), [], product.tiling

    def forget() -> None:
        for cached in (product._plan, geometry.plan):
            cached.cache_clear()

    def fixed(choice: Choice | None) -> Callable[..., Choice]:
        def tiling(*given: int) -> Choice:
            sizes[:] = given
            return choice or chosen(*given)

        return tiling

    def timed(choice: Choice | None) -> float | None:
        forget()
        tiling = fixed(choice)
        with patch.object(product, "tiling", tiling), patch.object(geometry, "tiling", tiling):
            if run() is NotImplemented:
                return None
            return min(measured(run, "cuda", 0.0).device)

    seconds = {"chosen": timed(None)}
    every = sorted(product.tilings(*sizes)) if sizes else []
    rows = [
        {"tile": tile, "parts": parts, "clocks": clocks, "seconds": timed((tile, parts))}
        for clocks, tile, parts in every
        if clocks <= WORTH * every[0][0]
    ]
    forget()
    return {"what": problem.what, "sizes": sizes[:4], **seconds, "tried": rows}


def measure(workload: str, precision: str) -> Iterator[dict[str, Any]]:
    """A row for every product of a step that is cut into tiles."""
    for problem, calls in problems(workload, precision).items():
        row = tried(problem)
        if row["tried"]:
            yield {"workload": workload, "precision": precision, "calls": calls, **row}


def best(row: dict[str, Any]) -> dict[str, Any]:
    fastest: dict[str, Any] = min(
        (way for way in row["tried"] if way["seconds"]), key=lambda way: way["seconds"]
    )
    return fastest


def summary(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Of a step: what all products take as they are chosen, and at best, in microseconds."""
    lines = []
    for name in dict.fromkeys((row["workload"], row["precision"]) for row in rows):
        own = [row for row in rows if (row["workload"], row["precision"]) == name]
        chosen = sum(row["calls"] * row["chosen"] for row in own)
        fastest = sum(row["calls"] * best(row)["seconds"] for row in own)
        slow = sum(row["chosen"] > APART * best(row)["seconds"] for row in own)
        times = f"{1e6 * chosen:.0f}", f"{1e6 * fastest:.0f}", f"{chosen / fastest:.2f}"
        lines.append((f"{name[0]}, {name[1]}", str(len(own)), *times, str(slow)))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", choices=list(WORKLOADS), action="append")
    parser.add_argument("--precision", default=EXACT)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    for workload in given.workload or WORKLOADS:
        for row in measure(workload, given.precision):
            rows.append(row)
            way = best(row)
            print(
                f"{workload} {row['what']} {row['sizes']} x {row['calls']}: "
                f"{1e6 * row['chosen']:.1f} us, at best {1e6 * way['seconds']:.1f} us "
                f"(tile {way['tile']}, {way['parts']} parts)"
            )
    for line in summary(rows):
        print(", ".join(line))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
