"""Datasets and DataLoader: the order, whole batches, the thread, resuming."""

from __future__ import annotations

import gc
import threading
import time
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygan
from tinygan.autograd import wrap
from tinygan.data import (
    DataError,
    DataLoader,
    Dataset,
    Images,
    Points,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)
from tinygan.data.resident import Resident, resident


class Numbers(Dataset):
    """0, 1, 2, ... one by one."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index


def images(count: int = 10, channels: int = 3, labels: bool = True) -> Images:
    values = np.random.default_rng(0).integers(0, 256, (count, 4, 5, channels), dtype=np.uint8)
    return Images(values, np.arange(count) if labels else None)


def numbers(batches: Any) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


def threads() -> int:
    return sum(thread.name == "tinygan-data" for thread in threading.enumerate())


# -- datasets -------------------------------------------------------------------------------------


def test_a_tensor_dataset_gives_tuples() -> None:
    x, y = wrap(np.arange(12.0).reshape(6, 2)), wrap(np.arange(6))
    data = TensorDataset(x, y)
    assert len(data) == 6
    assert data[2][0].tolist() == [4, 5] and data[2][1].item() == 2
    first = next(iter(DataLoader(data, 4)))
    assert (
        isinstance(first, tuple) and first[0].shape == (4, 2) and first[1].tolist() == [0, 1, 2, 3]
    )
    with pytest.raises(DataError, match=r"lengths \[6, 3\]"):
        TensorDataset(x, wrap(np.arange(3)))
    with pytest.raises(DataError, match="equal length"):
        TensorDataset()


def test_images_are_floats_from_minus_one_to_one_over_channels_last_memory() -> None:
    data = Images(np.array([[[[0, 255, 51]]]], np.uint8))
    np.testing.assert_array_equal(data[0][0].numpy().ravel(), np.float32([-1, 1, 51 / 127.5 - 1]))
    data = images(6)
    x, label = next(iter(DataLoader(data, 4)))
    assert x.shape == (4, 3, 4, 5) and x.dtype == np.float32
    assert x.numpy().transpose(0, 2, 3, 1).flags.c_contiguous
    assert label.tolist() == [0, 1, 2, 3] and label.dtype == np.int64
    expected = data.images[:4].transpose(0, 3, 1, 2) / 127.5 - 1
    np.testing.assert_allclose(x.numpy(), expected, atol=1e-7)
    assert len(images(labels=False)[0]) == 1


def test_batches_equal_collated_items() -> None:
    data = images(9)
    at_once, by_items = DataLoader(data, 4), DataLoader(data, 4, collate_fn=default_collate)
    for (x, a), (y, b) in zip(at_once, by_items, strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy())
        assert x.numpy().strides == y.numpy().strides
        assert a.tolist() == b.tolist() and a.dtype == b.dtype


def test_images_refuse_what_is_none() -> None:
    for wrong in (
        np.zeros((2, 4, 4, 1)),
        np.zeros((2, 4, 4), np.uint8),
        np.zeros((1, 4, 4, 2), "B"),
    ):
        with pytest.raises(DataError, match="expected a uint8 array of shape N H W C"):
            Images(wrong)
    with pytest.raises(DataError, match="as many labels"):
        Images(np.zeros((2, 4, 4, 1), np.uint8), np.zeros(3))


def test_a_transform_gets_a_picture_of_pil() -> None:
    data = Images(
        np.full((3, 4, 5, 1), 7, np.uint8),
        np.arange(3),
        transform=lambda picture: np.asarray(picture).astype(np.float32),
        target_transform=lambda label: 10 * label,
    )
    x, label = next(iter(DataLoader(data, 3)))
    assert x.shape == (3, 4, 5) and (x.numpy() == 7).all() and label.tolist() == [0, 10, 20]


def test_the_checksum_is_of_the_content() -> None:
    same, other = images(), images()
    assert same.checksum == other.checksum and len(same.checksum) == 64
    other.images[3, 2, 1, 0] ^= 1
    assert Images(other.images).checksum != same.checksum
    assert Images(same.images.reshape(10, 5, 4, 3)).checksum != same.checksum
    told = same.describe()
    assert (told["count"], told["size"], told["channels"]) == (10, [4, 5], 3)
    assert Points(np.zeros((4, 2))).describe()["size"] == [2]


def test_subsets_and_splits() -> None:
    chosen = Subset(Numbers(10), [7, 3, 5])
    assert [chosen[i] for i in range(len(chosen))] == [7, 3, 5]
    parts = random_split(Numbers(10), [7, 3], generator=4)
    assert sorted(part_items(parts[0]) + part_items(parts[1])) == list(range(10))
    assert [len(part) for part in random_split(Numbers(11), [0.5, 0.5], generator=1)] == [6, 5]
    again = random_split(Numbers(10), [7, 3], generator=4)
    assert again[0].indices == parts[0].indices
    with pytest.raises(DataError, match="sum to 9, but the dataset has 10"):
        random_split(Numbers(10), [7, 2], generator=0)


def part_items(part: Subset) -> list[int]:
    return [part[i] for i in range(len(part))]


def test_a_subset_gathers_as_its_dataset_does() -> None:
    data = images()
    subset = Subset(data, [8, 1, 4])
    x, labels = next(iter(DataLoader(subset, 3)))
    assert labels.tolist() == [8, 1, 4]
    np.testing.assert_array_equal(x.numpy()[1], data[1][0].numpy())
    assert not hasattr(Subset(Numbers(3), [0]), "batch")


# -- collating ------------------------------------------------------------------------------------


def test_collate_goes_through_structures() -> None:
    pair = namedtuple("pair", "a b")
    items = [{"x": wrap(np.float32([i])), "y": (i, [float(i)]), "z": "s"} for i in range(3)]
    batch = default_collate(items)
    assert batch["x"].shape == (3, 1) and batch["y"][0].dtype == np.int64
    assert batch["y"][1][0].dtype == np.float64 and batch["z"] == ["s"] * 3
    assert default_collate([pair(1, 2), pair(3, 4)]).b.tolist() == [2, 4]
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        default_collate([wrap(np.zeros(2)), wrap(np.zeros(3))])
    with pytest.raises(TypeError, match="collate_fn"):
        default_collate([object()])
    with pytest.raises(ValueError, match="different lengths"):
        default_collate([(1, 2), (1,)])


# -- the order ------------------------------------------------------------------------------------


def test_without_shuffling_the_order_is_the_datasets() -> None:
    assert numbers(DataLoader(Numbers(5), 2)) == [[0, 1], [2, 3], [4]]
    assert numbers(DataLoader(Numbers(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert (
        len(DataLoader(Numbers(5), 2)) == 3 and len(DataLoader(Numbers(5), 2, drop_last=True)) == 2
    )


def test_every_epoch_has_an_order_of_its_own_that_the_seed_decides() -> None:
    def epochs(seed: int) -> list[list[int]]:
        loader = DataLoader(Numbers(50), 7, shuffle=True, generator=seed)
        return [[i for batch in numbers(loader) for i in batch] for _ in range(3)]

    first = epochs(1)
    assert first == epochs(1) and first != epochs(2)
    assert first[0] != first[1] != first[2]
    assert all(sorted(epoch) == list(range(50)) for epoch in first)


def test_forever_is_one_epoch_after_the_other() -> None:
    epochs = DataLoader(Numbers(10), 3, True, generator=1)
    expected = [batch for _ in range(3) for batch in numbers(epochs)]
    with DataLoader(Numbers(10), 3, True, generator=1).forever() as batches:
        assert [next(batches).tolist() for _ in expected] == expected


def test_the_order_is_pinned() -> None:
    """Checkpoints name an order by two numbers, so it must never change."""
    loader = DataLoader(Numbers(10), 10, shuffle=True, generator=0)
    assert numbers(loader) == [PINNED[0]] and numbers(loader) == [PINNED[1]]


PINNED = [[0, 2, 9, 1, 8, 5, 4, 3, 6, 7], [5, 3, 7, 8, 2, 4, 1, 0, 6, 9]]


def test_manual_seed_decides_where_no_generator_is_given() -> None:
    def order(seed: int) -> list[list[int]]:
        tinygan.manual_seed(seed)
        return numbers(DataLoader(Numbers(20), 20, shuffle=True))

    assert order(3) == order(3) != order(4)
    generator = tinygan.Generator().manual_seed(3)
    seeded = [DataLoader(Numbers(20), 20, True, generator=seed) for seed in (generator, 3)]
    assert numbers(seeded[0]) == numbers(seeded[1])


def test_loaders_are_independent_where_no_generator_is_given() -> None:
    def orders() -> list[list[list[int]]]:
        loaders = [DataLoader(Numbers(20), 20, shuffle=True) for _ in range(2)]
        return [numbers(loader) for loader in loaders for _ in range(2)]

    tinygan.manual_seed(3)
    before = orders()
    assert all(x != y for i, x in enumerate(before) for y in before[:i])
    tinygan.manual_seed(3)
    assert orders() == before != orders()


def test_splits_are_independent_of_each_other_and_of_loaders() -> None:
    data = Numbers(20)
    first, second = (random_split(data, [20])[0].indices for _ in range(2))
    assert first != second
    [split] = random_split(data, [20], generator=4)
    loader = DataLoader(data, 20, True, generator=4)
    assert split.indices not in [numbers(loader)[0] for _ in range(3)]


# -- resuming -------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 23),
    size=st.integers(1, 9),
    drop_last=st.booleans(),
    workers=st.integers(0, 1),
    taken=st.integers(0, 30),
)
def test_resuming_gives_the_batches_that_would_have_come(
    count: int, size: int, drop_last: bool, workers: int, taken: int
) -> None:
    size = min(size, count)

    def loader() -> DataLoader:
        return DataLoader(
            Numbers(count), size, True, num_workers=workers, drop_last=drop_last, generator=5
        )

    whole = loader()
    with whole.forever() as batches:
        for _ in range(taken):
            next(batches)
        state = whole.state_dict()
        expected = [next(batches).tolist() for _ in range(12)]
    resumed = loader()
    resumed.load_state_dict(state)
    with resumed.forever() as batches:
        assert [next(batches).tolist() for _ in range(12)] == expected


def test_resuming_in_an_epoch_ends_with_that_epoch() -> None:
    loader = DataLoader(Numbers(10), 2, True, generator=1)
    epochs = [numbers(loader) for _ in range(3)]
    part = DataLoader(Numbers(10), 2, True, generator=1)
    for _ in part:
        break
    batches = iter(part)  # the epoch after the one that was broken off
    assert [next(batches).tolist() for _ in range(2)] == epochs[1][:2]
    resumed = DataLoader(Numbers(10), 2, True)  # the seed comes from the state
    resumed.load_state_dict(part.state_dict())
    assert numbers(resumed) == epochs[1][2:]
    assert numbers(resumed) == epochs[2]


def test_the_state_is_that_of_delivered_batches() -> None:
    loader = DataLoader(Numbers(100), 10, True, generator=1)
    with loader.forever() as batches:
        next(batches)
        time.sleep(0.05)  # the thread is ahead by now
        assert loader.state_dict() == {"seed": 1, "epoch": 0, "position": 10}


def test_the_state_of_other_data_is_refused() -> None:
    loader = DataLoader(Numbers(5))
    with pytest.raises(DataError, match="item 10 of an epoch, but the dataset has 5 items"):
        loader.load_state_dict({"seed": 0, "epoch": 0, "position": 10})
    with pytest.raises(DataError, match="no position"):
        loader.load_state_dict({"seed": 0, "epoch": 0})


# -- errors and the thread ------------------------------------------------------------------------


def test_a_batch_larger_than_the_data_names_both_numbers() -> None:
    with pytest.raises(DataError, match="batch of 64 is larger than the data, which has 5 items"):
        DataLoader(Numbers(5), 64, drop_last=True)
    loader = DataLoader(Numbers(5), 64)
    assert numbers(loader) == [[0, 1, 2, 3, 4]]  # as in PyTorch: one smaller batch
    with pytest.raises(DataError, match="batch of 64"):
        loader.forever()


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        DataLoader(Numbers(0))
    with pytest.raises(DataError, match="batch_size is 0"):
        DataLoader(Numbers(5), 0)
    with pytest.raises(DataError, match="num_workers is -1"):
        DataLoader(Numbers(5), num_workers=-1)


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_errors_of_the_dataset_pass_through(workers: int) -> None:
    class Broken(Numbers):
        def __getitem__(self, index: int) -> int:
            if index == 5:
                raise KeyError("item five")
            return index

    before = threads()
    batches = iter(DataLoader(Broken(10), 2, num_workers=workers))
    assert next(batches).tolist() == [0, 1] and next(batches).tolist() == [2, 3]
    with pytest.raises(KeyError, match="item five"):
        next(batches)
    assert threads() == before


def test_the_thread_prepares_a_few_batches_ahead_and_no_more() -> None:
    seen: list[int] = []

    class Watched(Numbers):
        def __getitem__(self, index: int) -> int:
            seen.append(index)
            return index

    batches = iter(DataLoader(Watched(100), 1))
    next(batches)
    deadline = time.monotonic() + 5
    while len(seen) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    assert len(seen) == 3
    batches.close()
    with pytest.raises(StopIteration):
        next(batches)


def test_no_thread_is_left_behind() -> None:
    gc.collect()
    before = threads()
    loader = DataLoader(Numbers(50), 5)
    list(loader)
    assert threads() == before
    for _ in loader:
        break
    gc.collect()
    assert threads() == before
    batches = loader.forever()
    next(batches)
    assert threads() == before + 1
    del batches
    gc.collect()
    assert threads() == before


def test_getitems_is_used_as_in_pytorch() -> None:
    class Together(Numbers):
        def __getitems__(self, indices: list[int]) -> list[int]:
            return [-i for i in indices]

    assert numbers(DataLoader(Together(4), 2)) == [[0, -1], [-2, -3]]


def test_batches_move_to_a_device(device: str) -> None:
    x, label = next(iter(DataLoader(images(), 4, device=device)))
    assert x.device.type == device == label.device.type
    assert x.array.transpose(0, 2, 3, 1).flags.c_contiguous
    data = TensorDataset(x, label)
    y, _ = next(iter(DataLoader(data, 2, shuffle=True, generator=0)))
    assert y.device.type == device and y.shape == (2, 3, 4, 5)
    assert y.array.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("labelled", [False, True])
def test_data_on_the_device_gives_the_same_batches(labelled):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (20, 5, 4, 3), dtype=np.uint8)
    dataset = Images(images, np.arange(20) if labelled else None)
    copied = resident(dataset, "cuda")
    assert isinstance(copied, Resident) and resident(dataset, "cpu") is dataset
    loaders = [
        DataLoader(data, 6, shuffle=True, generator=3, device="cuda") for data in (dataset, copied)
    ]
    for ours, theirs in zip(*loaders, strict=True):
        for x, y in zip(ours, theirs, strict=True):
            assert x.device == y.device == "cuda:0" and x.stride() == y.stride()
            np.testing.assert_array_equal(x.cpu().numpy(), y.cpu().numpy())
    transformed = Images(images, transform=lambda image: image)
    assert resident(transformed, "cuda") is transformed
