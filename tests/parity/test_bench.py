"""The timed programs of other frameworks are the same programs: their first losses agree."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from tinygan.cli.bench import with_tinygan
from tinygan.cli.bench.workloads import WORKLOADS, Place

torch = pytest.importorskip("torch")


def losses(step: Iterable[Any]) -> list[float]:
    """What a step returns, as numbers."""
    return [float(loss) for loss in step]


@pytest.mark.parametrize("workload", [name for name in WORKLOADS if name != "dcgan64"])
def test_three_steps_have_pytorchs_losses(workload: str) -> None:
    from tinygan.cli.bench import with_torch

    threads = torch.get_num_threads()
    ours = with_tinygan.build(workload, "tinygan", Place())
    theirs = with_torch.build(workload, "torch eager", Place(threads=threads))
    for number in range(3):
        expected = losses(theirs(number))
        assert losses(ours(number)) == pytest.approx(expected, rel=2e-3 if number else 1e-4)


@pytest.mark.parametrize("workload", ["classifier", "toy", "mlp", "dcgan28", "wgan-gp"])
def test_jaxs_first_losses(workload: str) -> None:
    pytest.importorskip("jax")
    from tinygan.cli.bench import with_jax

    ours = with_tinygan.build(workload, "tinygan eager", Place())
    theirs = with_jax.build(workload, "jax jit", Place())
    assert losses(ours(0)) == pytest.approx(losses(theirs(0)), rel=1e-4)


def test_a_step_of_pytorchs_is_captured_after_it_was_warmed_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With stand-ins for streams and graphs: what is called when, and with which numbers."""
    from tinygan.cli.bench import with_torch

    happened: list[str] = []

    def noted(what: str) -> Any:
        return lambda *_: happened.append(what) or nullcontext()

    stream = SimpleNamespace(wait_stream=noted("wait"))
    graph = SimpleNamespace(replay=noted("replay"))
    cuda = SimpleNamespace(Stream=lambda: stream, current_stream=lambda: stream)
    cuda.CUDAGraph, cuda.graph, cuda.stream = lambda: graph, noted("capture"), noted("aside")
    monkeypatch.setattr(torch, "cuda", cuda)

    def step(x: Any) -> Any:
        happened.append("step")
        return (x.sum(),)

    replayed = with_torch.captured(step, [torch.zeros(2)])
    for number in range(with_torch.WARM):
        assert losses(replayed(torch.full((2,), float(number)))) == [2 * number]
        assert happened == ["wait", "aside", "step", "wait"]
        happened.clear()
    assert losses(replayed(torch.ones(2))) == [2]
    assert happened == ["capture", "step", "replay"]
    happened.clear()
    replayed(torch.ones(2))
    assert happened == ["replay"]
