"""What a warp does in a step of the loop that products spend their time in, from the machine code.

A step multiplies one panel of each factor. Of its instructions those that multiply and add are the
work. Each of the four schedulers of a multiprocessor issues one instruction a clock, so that their
number bounds how many multiplications there are in a clock: the rate, if no warp ever waits. Quads
are taken to be moved whole, as they are where numbers are aligned.

It needs no GPU, but nvdisasm: of the CUDA toolkit, or of the triton package (pip install triton).

python benchmarks/cuda_loops.py [--sm 90] [--out benchmarks/results/cuda-loops.md]
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import nvrtc  # noqa: E402

from tinygan.backend.cuda import source  # noqa: E402
from tinygan.backend.cuda.product import ROUNDED, TF32X3, TILES, panel_depth  # noqa: E402

SOURCES = ("product.cu", "convolution.cu")
PRECISIONS = {0: "float32", 1: "tf32", TF32X3: "tf32x3", **{n: name for name, n in ROUNDED.items()}}
INSTANCE = re.compile(r"_Z\d+(?P<kernel>\w+?)IfLi(?P<tile>\d)ELi(?P<tensor>\d)E")
WORK = re.compile(r"[FDH]+MMA|[FD]FMA")
TAKEN = re.compile(WORK.pattern + r"|LDG\.E\.128|STS")  # in most steps
NOT_TAKEN = re.compile(r"LDG\.E(?!\.128)")  # where quads are moved whole
LINE = re.compile(r"^\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+ )?(.*?)\s*;")
LABEL = re.compile(r"^(\.L_x_\d+):")
BRANCH = re.compile(r"BRA.*`\((\.L_x_\d+)\)")


class Block(NamedTuple):
    """Instructions that follow one another, and the blocks that may come after them."""

    instructions: list[str]
    after: list[int]


@cache
def disassembler() -> str:
    found = shutil.which("nvdisasm")
    triton = importlib.util.find_spec("triton")
    for place in triton.submodule_search_locations or () if triton else ():
        found = found or next(map(str, Path(place).glob("backends/nvidia/bin/nvdisasm")), None)
    if found is None:
        sys.exit("nvdisasm was not found; it is in the CUDA toolkit, and in triton (pip install)")
    return found


def machine_code(name: str, architecture: int) -> Iterator[tuple[str, str]]:
    """The linker's name of each instance of a source's kernels, and its code."""
    cubin, _ = nvrtc.compiled(source.text(name), nvrtc.declared()[name], architecture)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin.encode("latin-1"))
        file.flush()
        command = [disassembler(), "-c", file.name]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    parts = re.split(r"^//-+ \.text\.(\w+) -+$", text, flags=re.MULTILINE)
    yield from zip(parts[1::2], parts[2::2], strict=True)


def blocks(text: str) -> list[Block]:
    """All blocks of a kernel, in their order."""
    instructions: list[tuple[str, bool]] = []
    labels: dict[str, int] = {}
    for line in text.splitlines():
        if label := LABEL.match(line):
            labels[label[1]] = len(instructions)
        elif match := LINE.match(line):
            instructions.append((match[1], "@" in line or " P" in match[1].split("`")[0]))
    ends = {i + 1 for i, (t, _) in enumerate(instructions) if "BRA" in t or "EXIT" in t}
    starts = sorted({0, *labels.values(), *ends} - {len(instructions)})
    number = {start: i for i, start in enumerate(starts)}
    found = []
    for start, end in zip(starts, [*starts[1:], len(instructions)], strict=True):
        last, conditional = instructions[end - 1]
        branch = BRANCH.search(last)
        after = [number[labels[branch[1]]]] if branch else []
        if (not branch or conditional) and "EXIT" not in last and end in number:
            after.append(number[end])
        found.append(Block([t for t, _ in instructions[start:end]], after))
    return found


def step(found: list[Block]) -> list[str]:
    """The instructions of one turn of the loop that multiplies, where quads are moved whole."""
    loops = [(first, last) for last, b in enumerate(found) for first in b.after if first <= last]
    first, last = max(loops, key=lambda loop: work(found, range(loop[0], loop[1] + 1)))

    @cache
    def best(i: int) -> tuple[int, tuple[int, ...]]:
        own = sum(
            1000 * bool(TAKEN.match(t)) - 9000 * bool(NOT_TAKEN.match(t)) - 1
            for t in found[i].instructions
        )
        value, path = max((best(n) for n in found[i].after if i < n <= last), default=(0, ()))
        return own + value, (i, *path)

    return [t for i in best(first)[1] for t in found[i].instructions]


def work(found: list[Block], which: range) -> int:
    return sum(bool(WORK.match(t)) for i in which for t in found[i].instructions)


def measure(architecture: int) -> Iterator[dict[str, Any]]:
    """Of each kernel of float32 the instructions of a step, by what they are."""
    for name in SOURCES:
        for instance, code in machine_code(name, architecture):
            if match := INSTANCE.match(instance):
                instructions = step(blocks(code))
                total, own = len(instructions), sum(bool(WORK.match(t)) for t in instructions)
                reads = sum(t.startswith("LDS") for t in instructions)
                tile, tensor = int(match["tile"]), int(match["tensor"])
                shape = TILES[tile]
                depth = panel_depth(4, tensor)
                yield {
                    "kernel": match["kernel"],
                    "tile": f"{shape.rows} x {shape.columns}",
                    "precision": PRECISIONS[tensor],
                    **{"work": own, "reads": reads, "other": total - own - reads},
                    "share": own / total,
                    "rate": shape.rows * shape.columns * depth / total * 4 / (shape.threads / 32),
                    "order": (match["kernel"], tensor, tile),
                }


def table(rows: list[dict[str, Any]], architecture: int) -> str:
    lines = [
        "# Instructions of a step of the products",
        "",
        f"Of a warp, in the main loop, compiled for sm_{architecture}, by `python "
        "benchmarks/cuda_loops.py`. Work is to multiply and add, reads are those of shared memory. "
        "The rate is how many multiplications a multiprocessor makes in a clock if no warp waits.",
        "",
        "| kernel | tile | precision | work | reads | other | share of work | rate |",
        "|---|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in sorted(rows, key=lambda row: row["order"]):
        row.update(share=f"{row['share']:.2f}", rate=f"{row['rate']:.0f}")
        names = ("kernel", "tile", "precision", "work", "reads", "other", "share", "rate")
        lines.append("| {} |".format(" | ".join(str(row[name]) for name in names)))
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sm", type=int, default=90)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = table(list(measure(options.sm)), options.sm)
    if options.out:
        options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
