"""Collating, splitting and counting batches as PyTorch does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygan.autograd import wrap
from tinygan.data import DataLoader, TensorDataset, default_collate, random_split

torch = pytest.importorskip("torch")
data = pytest.importorskip("torch.utils.data")


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, torch.Tensor):
        x = theirs.numpy()
        return ours.dtype == x.dtype and bool(np.array_equal(ours.numpy(), x))
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(same(ours[k], theirs[k]) for k in theirs)
    if isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)


@pytest.mark.parametrize(
    "items",
    [
        [1, 2],
        [1.5, 2.5],
        [True, False],
        ["a", "b"],
        [(1, 2.0), (3, 4.0)],
        [{"a": 1, "b": [2.0]}, {"a": 3, "b": [4.0]}],
        [np.float32([1, 2]), np.float32([3, 4])],
        [np.float32(1), np.float32(2)],
    ],
)
def test_collate(items: list[Any]) -> None:
    assert same(default_collate(items), data.default_collate(items))


def test_collate_tensors() -> None:
    arrays = np.random.default_rng(0).normal(size=(3, 2, 4, 5))
    ours = default_collate([(wrap(x), i) for i, x in enumerate(arrays)])
    theirs = data.default_collate([(torch.tensor(x), i) for i, x in enumerate(arrays)])
    assert same(ours, theirs)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("size", [1, 3, 5, 10])
def test_batches(size: int, drop_last: bool) -> None:
    x = np.arange(20.0).reshape(10, 2)
    ours = DataLoader(TensorDataset(wrap(x)), size, drop_last=drop_last)
    theirs = data.DataLoader(data.TensorDataset(torch.tensor(x)), size, drop_last=drop_last)
    assert len(ours) == len(theirs)
    assert all(same(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("lengths", [[7, 3], [0.5, 0.5], [0.33, 0.33, 0.34], [0.15, 0.85], [10]])
def test_split_lengths(lengths: list[float]) -> None:
    for count in (10, 11):
        if sum(lengths) not in (1, count) and lengths[0] > 1:
            continue
        ours = random_split(range(count), lengths, generator=0)
        theirs = data.random_split(range(count), lengths)
        assert [len(part) for part in ours] == [len(part) for part in theirs]
