"""How good the choice of tiles is: products of training steps on a GPU, in every tile that may be.

python benchmarks/tilings.py [--workload dcgan64] [--precision tf32] [--json FILE]

`tinygan.backend.cuda.product.tiling` chooses by an estimate. This times what a step computes, as it
is chosen and in other ways: into which tiles, and into how many parts of the depth; and by NVIDIA's
libraries, by which convolutions are judged.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import libraries
from products import Problem, call, problems

from tinygan.backend.cuda import geometry, product
from tinygan.cli.bench.clocks import measured
from tinygan.cli.bench.workloads import EXACT, WORKLOADS

Choice = tuple[int, int]  # tile, parts
WORTH = 3.0  # times the shortest estimate: what is longer is not tried
APART = 1.1  # times the fastest: what is named


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
    seconds.update(libraries.seconds(problem))
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


def against(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Of a step, by what is computed: how long NVIDIA's libraries take, times ours as chosen."""
    lines = []
    for name in dict.fromkeys((row["workload"], row["precision"], row["what"]) for row in rows):
        own = [row for row in rows if (row["workload"], row["precision"], row["what"]) == name]
        ratios = []
        for library in ("cublas", "cudnn"):
            both = [row for row in own if library in row]
            ours = sum(row["calls"] * row["chosen"] for row in both)
            theirs = sum(row["calls"] * row[library] for row in both)
            ratios.append(f"{theirs / ours:.2f}" if both else "")
        ours = sum(row["calls"] * row["chosen"] for row in own)
        lines.append((f"{name[0]}, {name[1]}: {name[2]}", f"{1e6 * ours:.0f}", *ratios))
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
    for line in (*summary(rows), *against(rows)):
        print(", ".join(line))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
