"""Transforms under torchvision's names, alone and in the usual row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinygan
from tinygan.autograd import wrap
from tinygan.backend.dtypes import set_default_dtype
from tinygan.data import DataLoader, Images, transforms

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def test_to_tensor() -> None:
    x = transforms.ToTensor()(Image.fromarray(RGB))
    np.testing.assert_array_equal(x.numpy(), RGB.transpose(2, 0, 1).astype(np.float32) / 255)
    assert transforms.ToTensor()(Image.fromarray(RGB[..., 0])).shape == (1, 5, 7)
    assert transforms.ToTensor()(np.ones((2, 2), np.float64)).dtype == np.float64
    bits = transforms.ToTensor()(Image.fromarray(RGB[..., 0] > 127))
    assert bits.dtype == np.float32
    np.testing.assert_array_equal(bits.numpy()[0], RGB[..., 0] > 127)
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        transforms.ToTensor()(np.zeros(3))
    set_default_dtype(np.float64)
    try:
        x = transforms.ToTensor()(Image.fromarray(RGB))
    finally:
        set_default_dtype(np.float32)
    np.testing.assert_array_equal(x.numpy(), RGB.transpose(2, 0, 1) / 255)


def test_normalize(device: str) -> None:
    x = wrap(np.ones((2, 1, 1), np.float32)).to(device)
    y = transforms.Normalize([0.5, 0.0], [0.5, 2.0])(x)
    assert y.device.type == device and y.cpu().numpy().ravel().tolist() == [1, 0.5]
    assert transforms.Normalize(0.5, 0.5)(x).dtype == np.float32
    with pytest.raises(ValueError, match="3 values of mean for 2 channels"):
        transforms.Normalize([0.0] * 3, [1.0] * 3)(x)
    with pytest.raises(ValueError, match="division by zero"):
        transforms.Normalize(0.0, 0.0)


def test_sizes() -> None:
    picture = Image.fromarray(RGB)
    assert transforms.Resize(10)(picture).size == (14, 10)
    assert transforms.Resize((3, 4))(picture).size == (4, 3)
    crop = transforms.CenterCrop(3)(picture)
    np.testing.assert_array_equal(np.asarray(crop), RGB[1:4, 2:5])
    assert transforms.CenterCrop((9, 9))(picture).getpixel((0, 0)) == (0, 0, 0)
    beyond = np.asarray(transforms.CenterCrop((8, 10))(picture))  # 3 more: 1 before, 2 behind
    np.testing.assert_array_equal(beyond, np.pad(RGB, ((1, 2), (1, 2), (0, 0))))
    assert transforms.Grayscale()(picture).mode == "L"
    assert transforms.Grayscale(3)(picture).mode == "RGB"


def test_the_usual_row_equals_the_fast_path() -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)
    row = transforms.Compose(
        [transforms.Resize(8), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
    )
    [slow], [fast] = DataLoader(Images(images, transform=row), 6), DataLoader(Images(images), 6)
    np.testing.assert_allclose(slow[0].numpy(), fast[0].numpy(), atol=1e-6)
    assert slow[0].shape == (6, 1, 8, 8)


def crops(size: int, times: int, padding: int = 0) -> set[bytes]:
    crop = transforms.RandomCrop(size, padding)
    return {np.asarray(crop(Image.fromarray(RGB))).tobytes() for _ in range(times)}


def test_a_random_crop_is_every_part() -> None:
    parts = {RGB[i : i + 4, j : j + 4].tobytes() for i in range(2) for j in range(4)}
    assert crops(4, 300) == parts
    wide = np.pad(RGB, [(1, 1), (1, 1), (0, 0)])
    padded = {wide[i : i + 4, j : j + 4].tobytes() for i in range(4) for j in range(6)}
    assert crops(4, 600, padding=1) == padded
    whole = transforms.RandomCrop((5, 7))(Image.fromarray(RGB))
    np.testing.assert_array_equal(np.asarray(whole), RGB)
    with pytest.raises(ValueError, match=r"6 x 6 .* of an image of 5 x 7"):
        transforms.RandomCrop(6)(Image.fromarray(RGB))


def test_random_flips() -> None:
    picture = Image.fromarray(RGB)
    for flip, flipped in (
        (transforms.RandomHorizontalFlip, RGB[:, ::-1]),
        (transforms.RandomVerticalFlip, RGB[::-1]),
    ):
        np.testing.assert_array_equal(np.asarray(flip(p=1)(picture)), flipped)
        np.testing.assert_array_equal(np.asarray(flip(p=0)(picture)), RGB)
        same = [bool((np.asarray(flip()(picture)) == RGB).all()) for _ in range(200)]
        assert 60 < sum(same) < 140


def test_chances_outside_of_a_loader_follow_manual_seed() -> None:
    def drawn() -> list[bool]:
        tinygan.manual_seed(4)
        flip = transforms.RandomHorizontalFlip()
        return [flip(Image.fromarray(RGB)).getpixel((0, 0)) == tuple(RGB[0, 0]) for _ in range(40)]

    first = drawn()
    assert 5 < sum(first) < 35 and drawn() == first


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loaders_chances_are_those_of_its_seed_whenever_it_is_stopped(workers: int) -> None:
    row = transforms.Compose(
        [transforms.RandomCrop(2), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    )
    data = Images(np.repeat(RGB[None], 12, 0), transform=row)

    def loader(**options: Any) -> DataLoader:
        return DataLoader(data, 2, shuffle=True, num_workers=workers, generator=3, **options)

    with loader().forever() as batches:
        reference = [next(batches)[0].numpy() for _ in range(10)]
    assert len({x[0].tobytes() for x in reference}) > 6
    again = loader()
    with again.forever() as batches:
        for _ in range(4):
            next(batches)
    state = again.state_dict()
    tinygan.rand(3)  # what others draw changes nothing
    resumed = loader()
    resumed.load_state_dict(state)
    with resumed.forever() as batches:
        for expected in reference[4:]:
            np.testing.assert_array_equal(next(batches)[0].numpy(), expected)
    ranks = [loader(shard=(rank, 2), drop_last=True) for rank in range(2)]
    first, second = (next(iter(ranks[r]))[0].numpy() for r in range(2))
    assert not np.array_equal(first, second)


def test_lambda_and_names_of_interpolations() -> None:
    assert transforms.Lambda(lambda x: x + 1)(2) == 3
    modes = transforms.InterpolationMode
    assert all(int(mode) == Image.Resampling[mode.name] for mode in modes)
    picture = Image.fromarray(RGB)
    for mode in modes:
        np.testing.assert_array_equal(
            np.asarray(transforms.Resize((3, 4), mode)(picture)),
            np.asarray(picture.resize((4, 3), Image.Resampling(int(mode)))),
        )
