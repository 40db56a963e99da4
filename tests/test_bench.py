"""`tinygan bench`, run for moments as a user would."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import anywhere
import nvrtc
import pytest
from command import start, tinygan

from tinygan.cli.bench import calls, clocks, measure, op_times, ops, steps, with_tinygan, workers
from tinygan.cli.bench.ceilings import Ceilings
from tinygan.cli.bench.workloads import Place


def test_every_operation_has_a_call() -> None:
    assert calls.missing() == []


def test_the_work_of_a_product_is_counted() -> None:
    kept = calls.calls("small")
    linear = kept["linear"]
    rows, inner = linear.arrays[0].shape
    outer = linear.arrays[1].shape[0]
    assert linear.flops == 2 * rows * inner * outer
    assert linear.nbytes == 4 * (rows * inner + inner * outer + outer + rows * outer)
    (n, c, h, w), (o, _, kh, kw) = (a.shape for a in kept["conv2d"].arrays[:2])
    pixels = n * (h // 2) * (w // 2)
    assert kept["conv2d"].flops == 2 * pixels * o * c * kh * kw
    grad = kept["conv2d_weight_grad"]
    (n, o, h, w), weights = grad.arrays[1].shape, grad.result.size
    assert grad.flops == 2 * n * h * w * weights
    assert kept["tanh"].flops == 0


def test_ceilings_are_chosen_by_what_limits_a_call() -> None:
    ceilings = Ceilings(1e12, 50e9, 500e9)
    assert ceilings.of(1e6, 1e9) == (1e12, "GFLOP/s")
    assert ceilings.of(0, 1e9) == (50e9, "GB/s") and ceilings.of(0, 1e6) == (500e9, "GB/s")


def test_ops(tmp_path: Path) -> None:
    out = tmp_path / "ops.json"
    chart = tmp_path / "ops.png"
    given = ["--op", "linear", "--size", "small", "--devices", "cpu"]
    printed = tinygan("bench", "ops", *given, "--json", out, "--chart", chart)
    assert "Ceilings" in printed and "GFLOP/s" in printed
    report = json.loads(out.read_text())
    reference, kernel = report["rows"]
    assert (reference["kernel"], kernel["kernel"]) == ("reference", "cpu")
    for row in report["rows"]:
        assert row["op"] == "linear" and row["size"] == "small"
        assert 0 < row["median"] < 1 and 0 < row["share"] < 2
    ceilings = report["ceilings"]["cpu"]
    assert ceilings["flops"] > 1e9 and ceilings["memory"] > 1e8
    assert chart.stat().st_size > 1000
    assert "did you mean" in tinygan("bench", "ops", "--op", "lineaar", code=2)


def test_ops_on_both_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anywhere.provide(tmp_path, monkeypatch)
    out, chart = tmp_path / "ops.json", tmp_path / "ops.png"
    given = ["--op", "tanh", "--size", "tiny", "--devices", "cpu,cuda"]
    printed = tinygan("bench", "ops", *given, "--json", out, "--chart", chart)
    assert "one by one from Python" in printed and "Transfers" in printed
    report = json.loads(out.read_text())
    assert [row["device"] for row in report["rows"]] == ["cpu", "cpu", "cuda", "cuda"]
    assert all(min(row["median"], row["host"]) > 0 for row in report["rows"])
    assert report["failed"] == {} and set(report["ceilings"]) == {"cpu", "cuda"}
    ceilings = report["ceilings"]["cuda"]
    assert ceilings["flops"] == max(ceilings["product"], ceilings["cublas"])
    ways = [(row["way"], row["memory"]) for row in report["transfers"][:4]]
    assert len(set(ways)) == 4 and all(row["rate"] > 0 for row in report["transfers"])
    (line,) = report["crossings"]
    assert line["op"] == "tanh" and line["numbers"] == {"tiny": 256}
    assert report["environment"]["gpu"] and chart.stat().st_size > 1000
    assert "did you mean 'cuda'" in tinygan("bench", "ops", "--devices", "cude", code=2)


def test_a_call_that_the_device_refuses_does_not_end_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tanh = calls.calls("tiny")["tanh"]

    def refuse(xp: Any, x: Any) -> Any:
        raise TypeError("no such function")

    monkeypatch.setattr(tanh.op, "reference", refuse)
    ceilings = Ceilings(1.0, 1.0, 1.0)
    rows, failed = ops.attempted(tanh, "tiny", ceilings, "cuda")
    assert not rows and failed == {"tanh, tiny, cuda": "TypeError: no such function"}
    with pytest.raises(TypeError):
        ops.attempted(tanh, "tiny", ceilings, "cpu")


def test_events_tell_the_time_of_one_call() -> None:
    slept, calls = 2e-3, []

    def run() -> None:
        calls.append(clocks.time.sleep(slept))

    times, host = clocks.measured(run, "cuda", 0.0)
    assert len(times) == clocks.REPEATS
    assert all(slept <= t < 20 * slept for t in (*times, host))
    quick, _ = clocks.measured(lambda: None, "cuda", 0.0)
    assert max(quick) < slept  # what holds the device is not counted


@pytest.mark.skipif(nvrtc.LIBRARY is None, reason="needs nvidia-cuda-nvrtc-cu12")
def test_what_holds_the_device_compiles() -> None:
    code, _ = nvrtc.compiled(clocks.HOLD, ["hold"], 90)
    assert code.startswith("\x7fELF")


def test_the_gpu_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anywhere.provide(tmp_path, monkeypatch)
    chart = tmp_path / "ops.png"
    given = ["--op", "sum", "--size", "tiny", "--devices", "cuda", "--chart", chart]
    printed = tinygan("bench", "ops", *given)
    assert "Transfers" in printed and "one by one" not in printed
    assert chart.stat().st_size > 1000


def timed(size: str, numbers: int, device: str, median: float, host: float) -> dict[str, Any]:
    return {
        "op": "tanh", "size": size, "numbers": numbers, "device": device, "kernel": device,
        "median": median, "host": host,
    }  # fmt: skip


def test_where_the_gpu_starts_to_win() -> None:
    rows = []
    for power, size in ((2, "tiny"), (4, "small"), (6, "large")):
        cpu, gpu = 10.0**power, 10.0**4.5
        rows.append(timed(size, 10**power, "cpu", 2 * cpu, 2 * cpu))
        rows.append(timed(size, 10**power, "cpu", cpu, cpu))
        rows.append(timed(size, 10**power, "cuda", gpu, 2e6))
    (line,) = op_times.crossings(rows)
    assert line["recorded_from"] == pytest.approx(10**4.5, rel=1e-3)
    assert line["eager_from"] is None
    assert line["recorded"]["tiny"] == pytest.approx(10**-2.5)
    (line,) = op_times.crossings(rows[-3:])
    assert line["recorded_from"] == 10**6  # or fewer
    assert op_times.crossings(rows[:2]) == []


def test_step(tmp_path: Path) -> None:
    out = tmp_path / "step.json"
    chart = tmp_path / "step.png"
    options = ["--rounds", 2, "--seconds", 0.05, "--threads", 1, "--under-load"]
    printed = tinygan(
        "bench",
        "step",
        "--workload",
        "toy",
        "--devices",
        "cpu",
        *options,
        "--json",
        out,
        "--chart",
        chart,
    )
    assert "toy" in printed and "under load" in printed
    report = json.loads(out.read_text())
    (result,) = report["results"]
    assert [row["variant"] for row in result["rows"]] == ["tinygan", "tinygan eager"]
    for row in result["rows"]:
        assert row["agrees"] and row["threads"] == 1 and row["steps"] >= 2
        assert 0 < row["minimum"] <= row["median"] < 10 and row["loaded_median"] > 0
        assert row["peak"] > row["peak_without_import"] > 0
    assert report["environment"]["cores"] >= 1
    assert chart.stat().st_size > 1000


def test_what_cannot_be_measured_is_refused() -> None:
    for arguments, message in (
        (["--workload", "toi"], "did you mean 'toy'"),
        (["--compare", "pytorch"], "torch"),
        (["--rounds", 0], "must be positive"),
        (["--devices", "cpu", "--precision", "tf32"], "for GPUs"),
        (["--precision", "float16"], "bfloat16"),
    ):
        assert message in tinygan("bench", "step", *arguments, code=2)


def row(variant: str, losses: list[float], median: float) -> dict[str, Any]:
    return {
        "variant": variant, "threads": 1, "median": median, "minimum": median / 2, "peak": 1 << 20,
        "losses": losses, "agrees": losses == [1.0],
    }  # fmt: skip


def test_other_losses_do_not_count() -> None:
    rows = [row("tinygan", [1.0], 1.0), row("torch eager", [1.0], 3.0), row("jax jit", [2.0], 9.0)]
    result = {"workload": "toy", "device": "cpu", "rows": rows}
    assert measure.ratios(result) == {"torch eager": (3.0, 3.0)}
    cells = [list(column.cells) for column in steps.table(result).columns]
    assert cells[4] == ["1", "3.00", "does not count: other losses"]


def test_a_worker_that_fails_says_why() -> None:
    with pytest.raises(workers.WorkerError, match="KeyError"):
        workers.Worker("tinygan", "no such variant", "toy", Place()).ready()


def test_a_worker_that_takes_too_long_is_ended() -> None:
    worker = workers.Worker("tinygan", "tinygan", "toy", Place())
    with pytest.raises(workers.WorkerError, match="not ready after 0 seconds"):
        worker.ready(0.0)
    assert worker.process.poll() is not None


def test_a_worker_that_ends_or_hangs_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    started = [workers.Worker("tinygan", v, "toy", Place()) for v in ("tinygan eager", "tinygan")]
    lasting, other = (worker.ready() for worker in started)
    other.process.kill()
    failed: dict[str, str] = {}
    times = measure._rounds([other, lasting], 2, 0.01, lambda text: None, "toy", failed)
    assert list(times) == [lasting] and len(times[lasting]) >= 2
    assert list(failed) == ["tinygan"] and "it ended" in failed["tinygan"]
    monkeypatch.setattr(workers, "PATIENCE", -1.0)
    assert measure._rounds([lasting], 1, 0.01, lambda text: None, "toy", failed) == {}
    assert "no answer" in failed["tinygan eager"] and lasting.process.poll() is not None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_with_what_started_them() -> None:
    process = start("bench", "step", "--workload", "toy", "--threads", 1)
    family = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    asleep: list[Path] = []
    while not asleep:
        assert process.poll() is None
        time.sleep(0.05)
        found = [Path(f"/proc/{child}/stat") for child in family.read_text().split()]
        asleep = [stat for stat in found if stat.exists() and ") T " in stat.read_text()]
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not any(stat.exists() for stat in asleep)


def test_step_on_both_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anywhere.provide(tmp_path, monkeypatch)
    out, chart = tmp_path / "step.json", tmp_path / "step.png"
    options = ["--rounds", 1, "--seconds", 0.01, "--threads", 1, "--devices", "cpu,cuda"]
    given = ["--workload", "classifier", *options, "--json", out, "--chart", chart]
    printed = tinygan("bench", "step", *given)
    assert "on the GPU" in printed and "CPU against GPU" in printed
    report = json.loads(out.read_text())
    cpu, cuda = report["results"]
    assert (cpu["device"], cuda["device"], cuda["precision"]) == ("cpu", "cuda", "float32")
    recorded, eager = cuda["rows"]
    assert recorded["agrees"] and eager["agrees"] and cuda["failed"] == {}
    assert recorded["losses"] == pytest.approx(cpu["rows"][0]["losses"], rel=1e-4)
    assert recorded["launches"]["graphs"] >= 1 and recorded["launches"]["kernels"] > 5
    assert eager["launches"] is None
    (line,) = report["gains"]
    assert line["workload"] == "classifier" and line["difference"] < 1e-4
    assert chart.stat().st_size > 1000


def test_what_fails_on_the_gpu_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anywhere.provide(tmp_path, monkeypatch)
    names = [("tinygan", "tinygan"), ("tinygan", "no such variant")]
    result = measure.measure_on_gpu("classifier", names, 1, 0.01, "float32", lambda text: None)
    assert [row["variant"] for row in result["rows"]] == ["tinygan"]
    assert "KeyError" in result["failed"]["no such variant"]
    result = measure.measure_on_gpu("classifier", names[1:], 1, 0.01, "float32", lambda text: None)
    assert result["rows"] == [] and measure.ratios(result) == {} and measure.gains([result]) == []


@pytest.mark.parametrize("name", ["classifier", "toy", "wgan-gp"])
def test_both_frameworks_round_to_bfloat16(name: str) -> None:
    with_torch = pytest.importorskip("tinygan.cli.bench.with_torch")
    losses = {}
    for framework, variant in ((with_tinygan, "tinygan eager"), (with_torch, "torch eager")):
        for precision in ("float32", "bfloat16"):
            step = framework.build(name, variant, Place("cpu", 1, precision))
            losses[variant, precision] = [float(x) for x in step(0)]
    ours, theirs = (losses[v, "bfloat16"] for v in ("tinygan eager", "torch eager"))
    assert ours == pytest.approx(theirs, rel=measure.AGREEMENTS["bfloat16"])
    assert ours != losses["tinygan eager", "float32"]
    assert theirs != losses["torch eager", "float32"]


def test_a_gpu_runs_what_is_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    every = measure.variants("torch", "dcgan28", "cuda")
    assert set(every) - set(measure.variants("torch", "dcgan28")) == {
        "torch CUDA graph",
        "torch CUDA graph channels-last",
    }
    assert "torch CUDA graph channels-last" not in measure.variants("torch", "mlp", "cuda")
    assert measure.variants("jax", "mlp", "cuda") == []
    monkeypatch.setattr(measure, "find_spec", lambda name: None)
    assert measure.variants("tinygan", "dcgan28", "cuda") == ["tinygan", "tinygan eager"]
    monkeypatch.setattr(measure, "find_spec", lambda name: name == "cudnn")
    by_cudnn = ["tinygan", "tinygan eager", "tinygan by cuDNN"]
    assert measure.variants("tinygan", "dcgan28", "cuda") == by_cudnn
    for other in (("mlp", "cuda"), ("dcgan28", "cpu"), ("dcgan28", "cuda", "bfloat16")):
        assert measure.variants("tinygan", *other) == by_cudnn[:2]
