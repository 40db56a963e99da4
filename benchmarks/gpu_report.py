"""The parts of gpu_report.sh: each measures one thing and keeps what it has in a file of its own.

python benchmarks/gpu_report.py PART FOLDER DEVICES [OUT]
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpu_markdown import markdown

from tinygan.backend.cpu.threads import usable_cores
from tinygan.cli.bench.calls import SIZES, calls
from tinygan.cli.bench.ceilings import Ceilings, measure_ceilings
from tinygan.cli.bench.environment import environment
from tinygan.cli.bench.measure import available, gains, measure, measure_on_gpu, variants
from tinygan.cli.bench.op_times import crossings, measure_call

BEGAN = time.monotonic()
LIMIT = float(os.environ.get("LIMIT", 60))  # seconds until this process is ended
FIRST = (  # operations that are measured before the others
    "conv2d", "conv2d_input_grad", "conv2d_weight_grad", "matmul", "linear", "add", "mul", "exp",
    "tanh", "leaky_relu", "sigmoid", "sum", "mean", "batch_norm", "group_norm", "softmax",
    "softmax_cross_entropy", "random_normal", "cat", "gather", "max_pool", "where", "cast",
)  # fmt: skip
WORKLOADS = ("toy", "mlp", "classifier", "dcgan28", "dcgan64", "wgan-gp")
COMPILED = ("torch.compile", "torch.compile step")  # takes long to compile
ROUNDS, SECONDS = 3, 0.4
READY = 60.0  # seconds in which a framework has to have taken its first steps


class Part:
    """What has been measured, on disk after each addition: the process may be ended any time."""

    def __init__(self, folder: Path, name: str, devices: list[str]) -> None:
        self.path, self.devices = folder / f"{name}.json", devices
        self.found: dict[str, Any] = {}

    def keep(self, **found: Any) -> None:
        self.found.update(found)
        temporary = self.path.with_suffix(".part")
        temporary.write_text(json.dumps(self.found, indent=1) + "\n")
        temporary.replace(self.path)

    def left(self) -> float:
        """Seconds until this process is ended, without those that the last thing may take."""
        return LIMIT - (time.monotonic() - BEGAN) - 5


def warm(part: Part) -> None:
    """Compile the CPU's kernels, which are kept on disk."""
    calls("tiny")
    for name in WORKLOADS:
        part.keep(**{name: measure(name, ["tinygan"], 1, 0.01, [usable_cores()], False, print)})


def ceilings(part: Part) -> None:
    part.keep(cpu=measure_ceilings()._asdict())
    if "cuda" in part.devices:
        from tinygan.cli.bench.cuda_ceilings import measure_cuda_ceilings

        found, details = measure_cuda_ceilings()
        part.keep(cuda={**found._asdict(), **details})


def transfers(part: Part) -> None:
    if "cuda" in part.devices:
        from tinygan.cli.bench.transfers import measure_transfers

        part.keep(rows=measure_transfers())


def ops(part: Part) -> None:
    """By importance, all sizes of an operation together; as many as there is time for."""
    file = part.path.parent / "ceilings.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    unknown = dict.fromkeys(Ceilings._fields, math.inf)  # shares are 0 then
    limits = {
        device: Ceilings(*[known.get(device, unknown)[field] for field in Ceilings._fields])
        for device in part.devices
    }
    kept = {size: calls(size) for size in SIZES}
    names = [name for name in FIRST if name in kept["tiny"]]
    names += sorted(set(kept["tiny"]) - set(names))
    rows: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    for name in names:
        if part.left() < 0:
            break
        for size in SIZES:
            for device in part.devices:
                try:
                    rows += measure_call(kept[size][name], size, limits[device], device, 0.02)
                except Exception as error:
                    failed[f"{name}, {size}, {device}"] = f"{type(error).__name__}: {error}"
            part.keep(rows=rows, failed=failed, crossings=crossings(rows), of=len(names))


def steps(part: Part) -> None:
    """Every workload on both devices, beside PyTorch on the GPU."""
    results: list[dict[str, Any]] = []
    for name in WORKLOADS:
        if part.left() < 15:
            break
        if "cuda" in part.devices:
            results.append(_on_gpu(part, name, False, lambda v: v not in COMPILED))
        cores = [usable_cores()]
        results.append(measure(name, ["tinygan"], 1, 0.5, cores, False, print))
        part.keep(results=results, gains=gains(results))


def steps_more(part: Part) -> None:
    """In TF32, and compiled by PyTorch."""
    results: list[dict[str, Any]] = []
    if "cuda" not in part.devices:
        return
    for name, tf32 in (("dcgan64", True), ("dcgan28", True), ("toy", False), ("dcgan28", False)):
        if part.left() > 15:
            wanted = "torch.compile step", "tinygan"
            chosen = (lambda v: v not in COMPILED) if tf32 else wanted.__contains__
            results.append(_on_gpu(part, name, tf32, chosen))
            part.keep(results=results)


def _on_gpu(part: Part, name: str, tf32: bool, chosen: Callable[[str], bool]) -> dict[str, Any]:
    names = [
        (framework, variant)
        for framework in available(["torch"])
        for variant in variants(framework, name, "cuda")
        if chosen(variant)
    ]
    limit = min(READY, part.left() - len(names) * ROUNDS * SECONDS)
    return measure_on_gpu(name, names, ROUNDS, SECONDS, tf32, print, max(5.0, limit))


PARTS = {
    "warm": warm, "ceilings": ceilings, "transfers": transfers, "ops": ops, "steps": steps,
    "steps-more": steps_more,
}  # fmt: skip
ORDER = (
    "tests-gpu", "ceilings", "transfers", "ops", "steps", "steps-more", "registers",
    "tests-kernels", "warm",
)  # fmt: skip
ENDS = "(PASSED|FAILED|ERROR|SKIPPED)"
OUTCOME = re.compile(  # of one process, and of several
    rf"^(?:(?P<test>\S+\.py::.*?) {ENDS} .*\[ *\d+%\]|\[gw\d+\] \[ *\d+%\] {ENDS} (?P<aside>.*\S))"
)


def outcomes(log: str) -> dict[str, Any]:
    """How tests ended, by the lines of pytest -v: also of a run that was cut off."""
    counts: dict[str, int] = {}
    failed = []
    for line in log.splitlines():
        if match := OUTCOME.match(line):
            end = match[2] or match[3]
            counts[end] = counts.get(end, 0) + 1
            if end in ("FAILED", "ERROR"):
                failed.append(match["test"] or match["aside"])
    return {"counts": counts, "failed": failed}


def write(folder: Path, devices: list[str], out: Path) -> None:
    """All parts in one file, and as a page; with what failed, and how."""
    report: dict[str, Any] = {"when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())}
    try:
        report["environment"] = environment(devices)
    except Exception as error:
        report["environment"] = {**environment(), "gpu": f"{type(error).__name__}: {error}"}
    for name in ORDER:
        part: dict[str, Any] = {}
        status, log, found = (folder / f"{name}.{end}" for end in ("status", "log", "json"))
        text = log.read_text(errors="replace") if log.exists() else ""
        code, seconds, limit = (
            map(int, status.read_text().split()) if status.exists() else (1, 0, 0)
        )
        part = {"code": code, "seconds": seconds, "limit": limit}
        if code:
            part["end_of_output"] = text[-3000:]
        if name.startswith("tests"):
            part.update(outcomes(text))
        if found.exists() and name != "warm":
            part["found"] = json.loads(found.read_text())
        report[name] = part
    text = without_places(json.dumps(report, indent=1), folder)
    (out / "gpu.json").write_text(text + "\n")
    (out / "gpu.md").write_text(markdown(json.loads(text)))


def without_places(text: str, folder: Path) -> str:
    """The text without where this machine keeps its files."""
    root = Path(__file__).resolve().parent.parent
    places = {folder: "parts", root: "tinygan", Path(sys.prefix): "python"}
    places |= {Path(sys.base_prefix): "python", Path.home(): "~"}
    for place in sorted(places, key=lambda place: -len(place.parts)):  # what lies inside, first
        if len(place.parts) > 1:
            text = text.replace(str(place), places[place])
    return text


def main(name: str, folder: str, devices: str, *out: str) -> None:
    chosen = devices.split(",")
    if name == "write":
        write(Path(folder), chosen, Path(*out))
    else:
        PARTS[name](Part(Path(folder), name, chosen))


if __name__ == "__main__":
    main(*sys.argv[1:])
