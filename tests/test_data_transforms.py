"""Transforms under torchvision's names, alone and in the usual row."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tinygan.autograd import wrap
from tinygan.backend.dtypes import set_default_dtype
from tinygan.data import DataLoader, Images, transforms

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def test_to_tensor() -> None:
    x = transforms.ToTensor()(Image.fromarray(RGB))
    np.testing.assert_array_equal(x.numpy(), RGB.transpose(2, 0, 1).astype(np.float32) / 255)
    assert transforms.ToTensor()(Image.fromarray(RGB[..., 0])).shape == (1, 5, 7)
    assert transforms.ToTensor()(np.ones((2, 2), np.float64)).dtype == np.float64
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
