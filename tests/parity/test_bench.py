"""The timed programs of other frameworks are the same programs: their first losses agree."""

from __future__ import annotations

from collections.abc import Iterable
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
