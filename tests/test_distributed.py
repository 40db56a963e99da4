"""Several processes that train together: N ranks with batch B equal one with batch N x B."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import processes
import pytest
from command import environment, tinygan

from tinygan import ops
from tinygan.data import DataLoader, TensorDataset
from tinygan.data.errors import DataError

HERE = Path(__file__).parent
SHORT = ["--latent", 8, "--steps", 6, "--checkpoint-every", 3, "--sample-every", 6]
MLP = ["--model", "mlp", "--width", 8, *SHORT]
DCGAN = ["--model", "dcgan", "--width", 4, *SHORT, "--normalize", "yes"]
TRAIN = ["-m", "tinygan", "train", "--distributed"]


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def weights(text: str) -> str:
    found = re.search(r"weights (\w+)", text)
    assert found, text
    return found.group(1)


@pytest.mark.parametrize(
    ("ranks", "options"),
    [
        (2, [*MLP, "--n-critic", 2]),
        (4, DCGAN),
        (2, [*DCGAN, "--penalty", "gradient_penalty"]),
    ],
    ids=["mlp", "dcgan", "gradient_penalty"],
)
def test_n_ranks_equal_one_with_n_times_the_batch(
    tmp_path: Path, ranks: int, options: list[Any]
) -> None:
    """The second step is recorded and the third replayed, the all-reduces in it.

    Rounding may bring a unit to the other side of a kink, from which the later steps differ.
    """
    options = [*options, "--sync-batch-norm"]
    tinygan("train", *options, "--batch-size", 8 * ranks, "--out", tmp_path / "one")
    processes.run(ranks, *TRAIN, *options, "--batch-size", 8, "--out", tmp_path / "several")
    one, several = metrics(tmp_path / "one"), metrics(tmp_path / "several")
    assert len(one) == len(several) == 6
    for step, (expected, found) in enumerate(zip(one, several, strict=True), 1):
        tolerance = 1e-5 if step <= 3 else 1e-2
        for name in expected.keys() - {"time"}:
            assert found[name] == pytest.approx(expected[name], rel=tolerance), name


def test_stopped_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    options = [*DCGAN, "--batch-size", 8, "--schedule", "constant"]
    whole = processes.run(2, *TRAIN, *options, "--out", tmp_path / "whole")
    processes.run(2, *TRAIN, *options, "--steps", 4, "--out", tmp_path / "part")
    resumed = processes.run(2, *TRAIN, "--resume", tmp_path / "part", "--steps", 6)
    assert weights(resumed) == weights(whole)
    untimed = [
        re.sub(r'"time": [\d.]+', "", (tmp_path / name / "metrics.jsonl").read_text())
        for name in ("whole", "part")
    ]
    assert untimed[0] == untimed[1]
    refused = tinygan("train", "--resume", tmp_path / "part", code=2)
    assert "2 ranks" in refused and "mpiexec -n 2" in refused


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_operations_of_the_ranks(device: str) -> None:
    """On arrays of the host, and of the stand-in for a device, which go through the host."""
    assert processes.run(3, HERE / "ranks.py", device).count("all is well") == 3


def test_what_nccl_is_asked_for() -> None:
    """In the place of CuPy a stand-in: this shows the order of the arguments, and nothing else."""
    assert processes.run(2, HERE / "nccl.py").count("all is well") == 2


# -- what goes wrong ------------------------------------------------------------------------------


def test_ranks_with_different_configurations_are_refused(tmp_path: Path) -> None:
    options = [*MLP, "--out", tmp_path / "run"]
    text = processes.run(2, *TRAIN, *options, code=2, others=[*TRAIN, *options, "--batch-size", 5])
    assert text.count("error: the ranks have different configurations: batch_size") == 1
    assert "None on rank 0 and 5 on rank 1" in text
    assert not (tmp_path / "run").exists()


def test_a_mistake_of_all_ranks_is_told_once(tmp_path: Path) -> None:
    text = processes.run(3, *TRAIN, *MLP, "--game", "hing", code=2)
    assert text.count("did you mean 'hinge'?") == 1
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "file").touch()
    text = processes.run(2, *TRAIN, *MLP, "--out", tmp_path / "run", code=2)
    assert text.count("is not empty") == 1


def test_what_one_rank_meets_alone_ends_all() -> None:
    text = processes.run(2, HERE / "ranks.py", "alone", code=2)
    assert "rank 1: error: the disk is full" in text


def test_a_run_that_is_no_longer_finite_ends_on_all_ranks(tmp_path: Path) -> None:
    options = [*MLP, "--lr-d", 1e30, "--lr-g", 1e30, "--steps", 30, "--batch-size", 8]
    text = processes.run(2, *TRAIN, *options, "--out", tmp_path / "run", code=1)
    assert text.count("stopped: step") == 1 and "--batch-size 16" in text


def test_mpiexec_without_distributed_is_refused() -> None:
    text = processes.run(2, "-m", "tinygan", "train", *MLP, code=2)
    assert "with --distributed" in text


def test_one_process_says_so_and_goes_on(tmp_path: Path) -> None:
    if processes.mpiexec() is None:
        pytest.skip("needs mpi4py and mpiexec")
    text = tinygan("train", "--distributed", *MLP, "--out", tmp_path / "run")
    assert "no other process" in text and "mpiexec -n 4" in text and "weights" in text


def test_without_mpi4py_there_is_advice() -> None:
    code = (
        "import sys; sys.modules['mpi4py'] = None; from tinygan.cli import main; "
        "sys.argv = ['tinygan', 'train', '--distributed']; main()"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "needs mpi4py" in done.stderr and "tinygan[distributed]" in done.stderr


# -- shares, in one process -----------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [2, 3])
def test_the_shards_of_a_batch_are_the_batch(ranks: int) -> None:
    items = TensorDataset(ops.arange(50))

    def batches(size: int, shard: tuple[int, int]) -> list[np.ndarray]:
        loader = DataLoader(
            items, size, shuffle=True, drop_last=True, generator=5, num_workers=0, shard=shard
        )
        found = [x.numpy() for _ in range(2) for (x,) in loader]
        assert len(found) == 2 * len(loader)
        assert loader.state_dict()["position"] == 50 - 50 % (4 * ranks)
        return found

    whole = batches(4 * ranks, (0, 1))
    parts = [batches(4, (rank, ranks)) for rank in range(ranks)]
    for batch, *shards in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate(shards), batch)


def test_shards_agree_on_the_seed_that_they_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    items = TensorDataset(ops.arange(40))
    generator = ops.default_generator()

    def batches(size: int, shard: tuple[int, int]) -> tuple[list[np.ndarray], list[int]]:
        ops.manual_seed(7)
        monkeypatch.setattr(generator, "share", shard)
        loader = DataLoader(items, size, shuffle=True, drop_last=True, shard=shard)
        return [x.numpy() for (x,) in loader], generator.get_state().tolist()

    whole, state = batches(8, (0, 1))
    parts = [batches(4, (rank, 2)) for rank in range(2)]
    for batch, *shards in zip(whole, *(part for part, _ in parts), strict=True):
        np.testing.assert_array_equal(np.concatenate(shards), batch)
    assert all(after == state for _, after in parts)


def test_shards_that_cannot_be_are_refused() -> None:
    items = TensorDataset(ops.arange(10))
    with pytest.raises(DataError, match="drop_last"):
        DataLoader(items, 2, shard=(0, 2))
    with pytest.raises(DataError, match="12 is larger"):
        DataLoader(items, 6, drop_last=True, shard=(1, 2))
    with pytest.raises(DataError, match="rank"):
        DataLoader(items, 2, drop_last=True, shard=(2, 2))


def test_the_shares_of_a_draw_are_the_draw(device: str) -> None:
    """Where each share fills whole blocks; the state after it is the same in any case."""

    def drawn(rank: int, ranks: int, rows: int) -> tuple[list[np.ndarray], list[int]]:
        generator = ops.Generator(device).manual_seed(3)
        generator.share = (rank, ranks)
        shape = {"generator": generator, "device": device}
        numbers = [
            ops.randn(rows, 6, **shape),
            ops.rand(rows, 6, dtype="float64", **shape),
            ops.randint(9, (rows, 2), **shape),
            ops.multinomial(ops.ones(rows, 5, device=device), 2, True, generator=generator),
            ops.bernoulli(ops.ones(rows, 6, device=device) / 2, generator=generator),
        ]
        return [x.cpu().numpy() for x in numbers], generator.get_state().cpu().tolist()

    whole, after = drawn(0, 1, 12)
    parts = [drawn(rank, 3, 4) for rank in range(3)]
    for expected, *shares in zip(whole, *[numbers for numbers, _ in parts], strict=True):
        np.testing.assert_array_equal(np.concatenate(shares), expected)
    assert all(state == after for _, state in parts)
    odd = [drawn(rank, 3, 1) for rank in range(3)]
    assert odd[0][1] == odd[1][1] == odd[2][1]
    assert not np.array_equal(odd[0][0][0], odd[1][0][0])


def test_alone_all_is_as_if_there_were_no_ranks() -> None:
    from tinygan import distributed, nn

    assert (distributed.get_rank(), distributed.get_world_size()) == (0, 1)
    x = ops.randn(4, 3)
    assert distributed.averaged([x, None]) == (x, None)
    np.testing.assert_array_equal(distributed.mean_over_ranks(x).numpy(), x.numpy())
    plain, shared = nn.BatchNorm1d(3), nn.SyncBatchNorm(3)
    np.testing.assert_array_equal(plain(x).detach().numpy(), shared(x).detach().numpy())
