"""What ptxas says of every CUDA kernel: registers, shared memory, spills. It needs no GPU.

python benchmarks/cuda_registers.py [--out benchmarks/results/cuda-registers.md] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import nvrtc  # noqa: E402

from tinygan.backend.cuda import source  # noqa: E402

ARCHITECTURES = (75, 80, 90, 100)
ENTRY = re.compile(
    r"Compiling entry function '(?P<name>[^']+)'.*?"
    r"(?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)
SHARED = re.compile(r"(\d+) bytes smem")


def measure(architectures: tuple[int, ...] = ARCHITECTURES) -> list[dict[str, Any]]:
    """A row for every instance of a kernel and every architecture that the compiler knows."""
    rows = []
    for name, variants in nvrtc.declared().items():
        for architecture in architectures:
            if architecture in nvrtc.architectures():
                _, log = nvrtc.compiled(source.text(name), variants, architecture)
                rows += [{"source": name, "sm": architecture, **row} for row in entries(log)]
    return rows


def entries(log: str) -> list[dict[str, Any]]:
    """What a log of ptxas tells of each kernel, in bytes and registers of a thread."""
    found = []
    for match in ENTRY.finditer(log):
        shared = SHARED.search(match["rest"])
        row = {
            "kernel": match["name"],
            "registers": int(match["registers"]),
            "shared": int(shared[1]) if shared else 0,
            "spilled": int(match["stores"]) + int(match["loads"]),
        }
        found.append(row)
    return found


def markdown(rows: list[dict[str, Any]]) -> str:
    """A line for every kernel: registers by architecture, the most of the rest."""
    known = sorted({row["sm"] for row in rows})
    lines = [
        "# Registers and shared memory of the CUDA kernels",
        "",
        f"From ptxas, by `python benchmarks/cuda_registers.py`: {len(rows) // len(known)} kernels "
        f"for {', '.join(f'sm_{sm}' for sm in known)}. Registers are of a thread, shared memory of "
        "a block, in bytes; what does not fit into registers is spilled.",
        "",
        f"| source | kernel | {' | '.join(f'sm_{sm}' for sm in known)} | shared | spilled |",
        f"|---|---|{'--:|' * (len(known) + 2)}",
    ]
    kernels: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for row in rows:
        kernels.setdefault((row["source"], row["kernel"]), {})[row["sm"]] = row
    for (name, kernel), each in sorted(kernels.items()):
        registers = " | ".join(str(each[sm]["registers"]) if sm in each else "" for sm in known)
        shared, spilled = (max(row[k] for row in each.values()) for k in ("shared", "spilled"))
        lines.append(f"| {name} | `{kernel}` | {registers} | {shared} | {spilled} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ROOT / "benchmarks" / "results" / "cuda-registers.md"
    parser.add_argument("--out", type=Path, default=default)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sm", type=int, nargs="+", default=ARCHITECTURES)
    options = parser.parse_args()
    if nvrtc.LIBRARY is None:
        sys.exit("needs NVIDIA's run-time compiler: pip install nvidia-cuda-nvrtc-cu12")
    rows = measure(tuple(options.sm))
    options.out.write_text(markdown(rows))
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
