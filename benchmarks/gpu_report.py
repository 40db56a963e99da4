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
from tilings import measure as measure_tilings

from tinygan.backend import backend_for
from tinygan.backend.cpu.threads import usable_cores
from tinygan.cli.bench.calls import SIZES, calls
from tinygan.cli.bench.ceilings import Ceilings, measure_ceilings
from tinygan.cli.bench.environment import environment
from tinygan.cli.bench.measure import available, gains, measure, measure_on_gpu, variants
from tinygan.cli.bench.op_times import crossings, measure_call
from tinygan.cli.bench.workers import Worker
from tinygan.cli.bench.workloads import EXACT, Place

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
BEST, OTHERS = slice(-1, None), slice(None, -1)  # kernels of an operation: its own, the reference
MORE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    # what is measured besides: workload, precision, variants if not all that are not compiled
    ("dcgan64", "tf32", ()),
    ("dcgan64", "tf32x3", ("tinygan", "torch CUDA graph")),  # PyTorch's is that of `steps`
    ("dcgan64", "bfloat16", ()),
    ("dcgan28", "tf32", ()),
    ("dcgan28", "bfloat16", ()),
    ("toy", EXACT, ("tinygan", "torch.compile step")),
    ("dcgan28", EXACT, ("tinygan", "torch.compile step")),
)
TILED = (("dcgan64", EXACT), ("dcgan28", EXACT), ("dcgan64", "tf32"))  # of these first


class Part:
    """What has been measured, on disk after each addition: the process may be ended any time."""

    def __init__(self, folder: Path, name: str, devices: list[str]) -> None:
        self.path, self.devices = folder / f"{name}.json", devices
        self.found: dict[str, Any] = json.loads(self.path.read_text()) if self.path.exists() else {}

    def keep(self, **found: Any) -> None:
        self.found.update(found)
        temporary = self.path.with_suffix(".part")
        temporary.write_text(json.dumps(self.found, indent=1) + "\n")
        temporary.replace(self.path)

    def left(self) -> float:
        """Seconds until this process is ended, without those that the last thing may take."""
        return LIMIT - (time.monotonic() - BEGAN) - 5


def machine(part: Part) -> None:
    part.keep(**environment(part.devices))


def warm(part: Part) -> None:
    """Compile the CPU's kernels, which are kept on disk."""
    for name in WORKLOADS:
        part.keep(**{name: measure(name, ["tinygan"], 1, 0.01, [usable_cores()], False, print)})
    for size in ("tiny", "small", "medium"):
        calls(size)


def warm_gpu(part: Part) -> None:
    """Compile the GPU's kernels, which are kept on disk, and have PyTorch read from it once."""
    if "cuda" not in part.devices:
        return
    from tinygan.cli.bench import with_tinygan

    other = (
        [Worker("torch", "torch eager", "dcgan28", Place("cuda"))]
        if available(["torch"])[1:]
        else []
    )
    used = [(name, EXACT) for name in WORKLOADS] + [
        (name, precision) for name, precision, _ in MORE
    ]
    for name, precision in dict.fromkeys(used):
        try:
            step = with_tinygan.build(name, "tinygan", Place("cuda", 1, precision))
            part.keep(**{f"{name}, {precision}": [[float(x) for x in step(i)] for i in range(3)]})
        except Exception as error:
            print(f"{name}, {precision}: {type(error).__name__}: {error}")
    for worker in other:
        worker.close()
    unknown = Ceilings(math.inf, math.inf, math.inf)
    for size in ("tiny", "medium"):
        for name, call in calls(size).items():
            try:
                measure_call(call, size, unknown, "cuda", 0.0, BEST)
            except Exception as error:
                print(f"{name}, {size}: {type(error).__name__}: {error}")


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


def tilings(part: Part) -> None:
    """How good the choice of tiles is: what the next estimate is made from."""
    rows: list[dict[str, Any]] = []
    for name, precision in dict.fromkeys((*TILED, *((name, EXACT) for name in WORKLOADS))):
        if "cuda" in part.devices and part.left() > 0:
            for row in measure_tilings(name, precision):
                rows.append(row)
                part.keep(rows=rows)
                if part.left() <= 0:
                    break


def ops(part: Part) -> None:
    """By importance, all sizes of an operation together; as many as there is time for.

    First by each device's own kernel, then on the GPU by the reference, which is CuPy's functions.
    """
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
    rows: list[dict[str, Any]] = part.found.get("rows", [])
    failed: dict[str, str] = part.found.get("failed", {})
    done: list[str] = part.found.get("done", [])
    for chosen, devices in (
        (BEST, part.devices),
        (OTHERS, [d for d in part.devices if d != "cpu"]),
    ):
        for name in names:
            for size in SIZES if part.left() >= 0 else ():
                for device in devices:
                    what = f"{name}, {size}, {device}" + (", reference" if chosen is OTHERS else "")
                    if what in done:
                        continue
                    done.append(what)
                    try:
                        call, limit = kept[size][name], limits[device]
                        rows += measure_call(call, size, limit, device, 0.02, chosen)
                    except Exception as error:
                        failed[what] = f"{type(error).__name__}: {error}"
                        part.keep(rows=rows, failed=failed, done=done)
                        if device != "cpu" and _has_stopped():
                            _go_on_in_another_process(part)
                part.keep(rows=rows, failed=failed, done=done)
            part.keep(crossings=crossings(rows), of=len(names))


def _has_stopped() -> bool:
    """Whether the GPU does nothing more for this process, as after an address that is not there."""
    try:
        backend_for("cuda").xp.cuda.runtime.deviceSynchronize()
    except Exception:
        return True
    return False


def _go_on_in_another_process(part: Part) -> None:
    os.environ["LIMIT"] = str(part.left() + 5)
    os.execv(sys.executable, [sys.executable, *sys.argv])


def steps(part: Part) -> None:
    """Every workload on both devices, beside PyTorch on the GPU."""
    results: list[dict[str, Any]] = []
    for name in WORKLOADS if "cuda" in part.devices else ():
        if part.left() > 15:
            results.append(_on_gpu(part, name, EXACT, lambda v: v not in COMPILED))
            part.keep(results=results)
    for name in WORKLOADS:
        if part.left() > 10:
            results.append(measure(name, ["tinygan"], 1, 0.5, [usable_cores()], False, print))
            part.keep(results=results, gains=gains(results))


def steps_more(part: Part) -> None:
    """In other precisions, and compiled by PyTorch."""
    results: list[dict[str, Any]] = []
    for name, precision, wanted in MORE if "cuda" in part.devices else ():
        if part.left() > 15:
            chosen = wanted.__contains__ if wanted else lambda v: v not in COMPILED
            results.append(_on_gpu(part, name, precision, chosen))
            part.keep(results=results)


def _on_gpu(part: Part, name: str, precision: str, chosen: Callable[[str], bool]) -> dict[str, Any]:
    names = [
        (framework, variant)
        for framework in available(["torch"])
        for variant in variants(framework, name, "cuda", precision)
        if chosen(variant)
    ]
    limit = min(READY, part.left() - len(names) * ROUNDS * SECONDS)
    return measure_on_gpu(name, names, ROUNDS, SECONDS, precision, print, max(5.0, limit))


PARTS = {
    "machine": machine, "warm": warm, "warm-gpu": warm_gpu, "ceilings": ceilings,
    "transfers": transfers, "tilings": tilings, "ops": ops, "steps": steps,
    "steps-more": steps_more,
}  # fmt: skip
ORDER = (
    "tests-gpu", "steps", "ceilings", "tests-kernels", "ops", "steps-more", "tilings", "transfers",
    "registers", "machine", "warm", "warm-gpu",
)  # fmt: skip
KEPT = 20_000  # characters of what tests that failed said
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


def write(folder: Path, out: Path) -> None:
    """All parts in one file, and as a page; with what failed, and how."""
    report: dict[str, Any] = {"when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())}
    known = folder / "machine.json"
    report["environment"] = json.loads(known.read_text()) if known.exists() else environment()
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
            _, _, failures = text.partition("= FAILURES =")
            part["failures"] = failures.partition("= short test summary")[0][:KEPT]
        if found.exists() and name not in ("machine", "warm"):
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
    if name == "write":
        write(Path(folder), Path(*out))
    else:
        PARTS[name](Part(Path(folder), name, devices.split(",")))


if __name__ == "__main__":
    main(*sys.argv[1:])
