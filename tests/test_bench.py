"""`tinygan bench`, run for moments as a user would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import tinygan

from tinygan.cli.bench import calls, measure, steps
from tinygan.cli.bench.ceilings import Ceilings


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
    printed = tinygan(
        "bench", "ops", "--op", "linear", "--size", "small", "--json", out, "--chart", chart
    )
    assert "Ceilings" in printed and "GFLOP/s" in printed
    report = json.loads(out.read_text())
    reference, kernel = report["rows"]
    assert (reference["kernel"], kernel["kernel"]) == ("reference", "cpu")
    for row in report["rows"]:
        assert row["op"] == "linear" and row["size"] == "small"
        assert 0 < row["median"] < 1 and 0 < row["share"] < 2
    assert report["ceilings"]["flops"] > 1e9 and report["ceilings"]["memory"] > 1e8
    assert chart.stat().st_size > 1000
    assert "did you mean" in tinygan("bench", "ops", "--op", "lineaar", code=2)


def test_step(tmp_path: Path) -> None:
    out = tmp_path / "step.json"
    chart = tmp_path / "step.png"
    options = ["--rounds", 2, "--seconds", 0.05, "--threads", 1, "--under-load"]
    printed = tinygan(
        "bench", "step", "--workload", "toy", *options, "--json", out, "--chart", chart
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
    ):
        assert message in tinygan("bench", "step", *arguments, code=2)


def row(variant: str, losses: list[float], median: float) -> dict[str, Any]:
    return {
        "variant": variant, "threads": 1, "median": median, "minimum": median / 2, "peak": 1 << 20,
        "losses": losses, "agrees": losses == [1.0],
    }  # fmt: skip


def test_other_losses_do_not_count() -> None:
    rows = [row("tinygan", [1.0], 1.0), row("torch eager", [1.0], 3.0), row("jax jit", [2.0], 9.0)]
    result = {"workload": "toy", "rows": rows}
    assert measure.ratios(result) == {"torch eager": (3.0, 3.0)}
    cells = [list(column.cells) for column in steps.table(result).columns]
    assert cells[4] == ["1", "3.00", "does not count: other losses"]


def test_a_worker_that_fails_says_why() -> None:
    with pytest.raises(measure.WorkerError, match="KeyError"):
        measure.Worker("tinygan", "no such variant", "toy", 1)
