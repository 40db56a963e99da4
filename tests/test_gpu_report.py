"""The reports of benchmarks/: the script for a GPU, tried out here, and the table of registers."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import anywhere
import nvrtc
import pytest
from moved import needs_kernels

import tinygan
from tinygan.cli.bench.clocks import Times

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def script(name: str) -> ModuleType:
    if str(BENCHMARKS) not in sys.path:
        sys.path.append(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LOG = """ptxas info    : Compiling entry function 'f<float>' for 'sm_80'
ptxas info    : Function properties for f<float>
    0 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 37 registers, used 1 barriers, 2048 bytes smem, 400 bytes cmem[0]
ptxas info    : Compiling entry function 'g' for 'sm_80'
ptxas info    : Function properties for g
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers, 380 bytes cmem[0]
"""


def test_the_log_of_ptxas_is_read() -> None:
    registers = script("cuda_registers")
    first, second = registers.entries(LOG)
    assert first == {"kernel": "f<float>", "registers": 37, "shared": 2048, "spilled": 12}
    assert second == {"kernel": "g", "registers": 8, "shared": 0, "spilled": 0}
    rows = [{"source": "a.cu", "sm": sm, **row} for sm in (80, 90) for row in (first, second)]
    page = registers.markdown(rows)
    assert "2 kernels for sm_80, sm_90" in page
    assert "| a.cu | `f<float>` | 37 | 37 | 2048 | 12 |" in page


@pytest.mark.skipif(nvrtc.LIBRARY is None, reason="needs nvidia-cuda-nvrtc-cu12")
def test_kernels_are_named_as_they_are_asked_for() -> None:
    source = "template <typename T> __global__ void twice(T* x) { *x *= 2; }"
    _, log = nvrtc.compiled(source, ["twice<float>", "twice<double>"], 80)
    names = {row["kernel"] for row in script("cuda_registers").entries(log)}
    assert names == {"twice<float>", "twice<double>"}


def test_the_ends_of_tests_are_read_from_a_run_that_was_cut_off() -> None:
    log = (
        "tests/test_a.py::test_b[x] PASSED    [ 1%]\n"
        "tests/test_a.py::test_c[a - b] SKIPPED (needs it) [ 2%]\n"
        "[gw0] [  3%] PASSED tests/test_a.py::test_d \n"
        "[gw1] [ 10%] FAILED tests/test_a.py::test_e[y] \n"
        "some words\n"
        "FAILED tests/test_a.py::test_e[y] - AssertionError\n"
        "tests/test_a.py::test_f"
    )
    assert script("gpu_report").outcomes(log) == {
        "counts": {"PASSED": 2, "SKIPPED": 1, "FAILED": 1},
        "failed": ["tests/test_a.py::test_e[y]"],
    }


def run(out: Path, **variables: str) -> tuple[dict[str, Any], str]:
    environment = {**os.environ, "PYTHON": sys.executable, "DEVICES": "cpu", **variables}
    command = ["bash", str(BENCHMARKS / "gpu_report.sh"), str(out)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return json.loads((out / "gpu.json").read_text()), (out / "gpu.md").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="a script for Linux")
def test_the_report_is_written_though_no_time_was_left(tmp_path: Path) -> None:
    report, page = run(tmp_path / "new", BUDGET="0")
    assert report["ops"]["code"] == 125 and report["tests-gpu"]["code"] == 125
    assert "| ops | no time was left | 0 |" in page
    assert report["environment"]["cores"] >= 1


def test_places_of_the_machine_are_left_out(tmp_path: Path) -> None:
    cleaned = script("gpu_report").without_places(
        f"{tmp_path}/ops.log {BENCHMARKS.parent}/tinygan/x.py {sys.prefix}/lib {Path.home()}/y",
        tmp_path,
    )
    assert cleaned.startswith("parts/ops.log tinygan/tinygan/x.py python/lib ")
    assert str(Path.home()) not in cleaned or Path.home() == Path("/")


def test_operations_are_timed_though_ceilings_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = script("gpu_report")
    monkeypatch.setattr(report, "SIZES", ("tiny",))
    monkeypatch.setattr(report.Part, "left", lambda part: 0 - bool(part.found))
    report.PARTS["ops"](report.Part(tmp_path, "ops", ["cpu"]))
    rows = json.loads((tmp_path / "ops.json").read_text())["rows"]
    assert rows and all(row["share"] == 0 and row["rate"] > 0 for row in rows)


@needs_kernels
def test_every_tile_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tilings = script("tilings")
    workload = tilings.WORKLOADS["dcgan28"]._replace(batch=2)
    monkeypatch.setitem(tilings.WORKLOADS, "dcgan28", workload)
    monkeypatch.setattr(tilings, "WORTH", 1.2)

    def once(run: Any, device: str, seconds: float) -> Times:
        start = time.perf_counter()
        run()
        return Times([time.perf_counter() - start], 0.0)

    monkeypatch.setattr(tilings, "measured", once)
    monkeypatch.setattr(tilings.libraries, "measured", once)
    try:
        found = tilings.problems("dcgan28", "tf32")
        assert {p.what for p in found} == {"product", "forward", "transposed", "weights"}
        assert sum(found.values()) > len(found) > 10  # the same shapes with real and fake samples
        rows = [tilings.tried(next(p for p in found if p.what == what)) for what in
                ("product", "forward", "transposed", "weights")]  # fmt: skip
    finally:
        tinygan.allow_tf32(False)
    for row in rows:
        assert row["chosen"] > 0 and len(row["sizes"]) == 4
        estimates = [way["clocks"] for way in row["tried"]]
        assert estimates == sorted(estimates) and all(way["seconds"] > 0 for way in row["tried"])
        slowest = max(way["seconds"] for way in row["tried"])
        row.update(workload="dcgan28", precision="tf32", calls=2, chosen=2 * slowest)
        row.pop("cublas", None)  # the stand-in has no switch for TF32
    rows[0]["cublas"] = 3 * rows[0]["chosen"]
    lines = list(script("gpu_markdown")._tilings({"tilings": {"found": {"rows": rows}}}))
    assert lines[2].startswith("| dcgan28, tf32 | 4 |")
    assert lines[3] == "" and lines[6].startswith("| dcgan28, tf32: product |")
    assert lines[6].endswith("| 3.00 |  |") and lines[7].endswith("|  |  |")
    assert lines[10] == "" and lines[11].startswith("| product | m, n, k |")  # a table of its own


@pytest.mark.parametrize("devices", [["cpu"], ["cpu", "cuda"]])
def test_parts_keep_what_they_have(
    devices: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anywhere.provide(tmp_path, monkeypatch)
    report = script("gpu_report")
    monkeypatch.setattr(report, "SIZES", ("tiny",))
    monkeypatch.setattr(report, "WORKLOADS", ("classifier",))
    monkeypatch.setattr(report, "LIMIT", 1e4)  # however busy this machine is
    monkeypatch.setattr(report, "available", lambda names: ["tinygan"])
    for name in ("ceilings", "steps"):
        report.PARTS[name](report.Part(tmp_path, name, devices))
    kept: list[int] = []

    def left(part: Any) -> float:
        kept.append(len(part.found.get("rows", [])))
        return 3 - len(kept)

    monkeypatch.setattr(report.Part, "left", left)
    report.PARTS["ops"](report.Part(tmp_path, "ops", devices))
    for name in ("ceilings", "steps", "ops"):
        (tmp_path / f"{name}.status").write_text("0 1 9")
    report.write(tmp_path, tmp_path)
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert [a > 0 for a in kept[:4]] == [False, True, True, True]
    rows = found["ops"]["found"]["rows"]
    assert {row["op"] for row in rows} == set(report.FIRST[:3])
    assert {row["device"] for row in rows} == set(devices) == set(found["ceilings"]["found"])
    assert found["ops"]["found"]["failed"] == {}
    results = found["steps"]["found"]["results"]
    assert {result["device"] for result in results} == set(devices)
    page = (tmp_path / "gpu.md").read_text()
    assert ("GPU wins from" in page) == ("| classifier |" in page) == ("cuda" in devices)
    assert found["transfers"]["code"] == 1  # it was not run


def step(variant: str, median: float, losses: list[float], agrees: bool = True) -> dict[str, Any]:
    return {
        "variant": variant, "median": median, "minimum": median, "losses": losses, "agrees": agrees,
        "launches": {"kernels": 41, "graphs": 1, "from_python": 0},
    }  # fmt: skip


def op(device: str, size: str, numbers: int, median: float) -> dict[str, Any]:
    return {
        "op": "tanh", "size": size, "numbers": numbers, "device": device, "kernel": device,
        "median": median, "host": median, "rate": 1e12, "unit": "GB/s", "share": 0.5,
    }  # fmt: skip


def test_the_page_shows_what_was_found() -> None:
    part = {"code": 0, "seconds": 1, "limit": 9}
    steps = [
        step("tinygan", 1e-3, [1.0]),
        step("torch eager", 3e-3, [1.0]),
        step("torch CUDA graph", 2e-3, [2.0], False),
    ]
    result = {"workload": "toy", "device": "cuda", "precision": "float32", "rows": steps}
    result["failed"] = {"torch.compile": "no Triton"}
    gain = {"workload": "toy", "cpu": 5e-3, "cuda": 1e-3, "difference": 1e-6}
    rows = [op("cpu", "large", 1 << 20, 2.0), op("cuda", "large", 1 << 20, 1.0)]
    crossings = script("gpu_report").crossings(rows)
    report = {
        "when": "now",
        "environment": {"gpu": "H", "cores": 4, "cpu": "C", "versions": {"python": "3.12"}},
        "tests-gpu": {**part, "counts": {"PASSED": 7, "FAILED": 1}, "failed": ["a::b"]},
        "tests-kernels": {**part, "counts": {}, "failed": []},
        "ceilings": {**part, "found": {"cuda": {"product": 4e13, "copy": 3e12}}},
        "steps": {**part, "found": {"results": [result], "gains": [gain]}},
        "steps-more": {**part, "found": {"results": [{**result, "precision": "tf32"}]}},
        "ops": {**part, "found": {"rows": rows, "crossings": crossings, "of": 9}},
        "registers": {**part, "found": [{"kernel": "f", "sm": 90, "registers": 9, "spilled": 4}]},
        "transfers": {"code": 124, "seconds": 9, "limit": 9, "end_of_output": "it hung"},
    }
    page = script("gpu_markdown").markdown(report)
    assert "| transfers | cut off | 9 |" in page and "### transfers\n\n```\nit hung" in page
    assert "| tests-gpu | 7 | 1 | 0 | 0 |" in page and "- failed: `a::b`" in page
    assert "| GPU: our product, float32 | 40.00 TFLOP/s |" in page
    assert "| toy | 41 | 1 | 1.000 |  |  | 3.00 |  |  |  | 5.00 | 5.0 |" in page
    assert "torch CUDA graph has other first losses: [2.0]" in page
    assert "toy in tf32: torch.compile did not run: no Triton" in page
    assert (
        "| `tanh` |  |  |  | 2 | 1048576 | 1048576 | cuda | 1000000.0 | 1000 GB/s | 50% |" in page
    )
    assert "spills in 1: f" in page
    empty = {name: part for name in report if isinstance(report[name], dict)}
    tests = {"tests-gpu": {**part, "failed": []}, "tests-kernels": {**part, "failed": []}}
    script("gpu_markdown").markdown(
        {**report, **empty, **tests, "environment": report["environment"]}
    )
