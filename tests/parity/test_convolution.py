"""Convolutions beside PyTorch's: values and gradients."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tinygan.autograd import grad, wrap
from tinygan.ops import convolution

torch = pytest.importorskip("torch")

random = np.random.default_rng(0)


def both(name: str, shapes: list[tuple[int, ...]], dtype: Any, **options: Any) -> None:
    """Compare values and the gradients by every input of the function `name`."""
    arrays = [random.standard_normal(shape).astype(dtype) for shape in shapes]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    ours = [wrap(a).requires_grad_() for a in arrays]
    expected = getattr(torch.nn.functional, name)(*theirs, **options)
    y = getattr(convolution, name)(*ours, **options)
    tolerance = 1e-10 if dtype == np.float64 else 2e-4
    assert y.dtype == dtype and y.shape == tuple(expected.shape)
    np.testing.assert_allclose(y.array, expected.detach(), atol=tolerance)
    g = random.standard_normal(y.shape).astype(dtype)
    for a, b in zip(
        grad(y, ours, wrap(g)),
        torch.autograd.grad(expected, theirs, torch.tensor(g)),
        strict=True,
    ):
        assert a is not None
        np.testing.assert_allclose(a.array, b, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("c", "o", "groups"), [(1, 4, 1), (3, 2, 1), (4, 6, 2), (3, 3, 3), (2, 4, 2)]
)
def test_conv2d(c: int, o: int, groups: int, dtype: Any) -> None:
    for kernel, stride, padding, dilation, size in product(
        [(3, 3), (4, 4), (1, 1), (2, 5)], [1, 2, (3, 1)], [0, 1, (2, 1)], [1, 2], [(8, 9), (11, 10)]
    ):
        shapes = [(2, c, *size), (o, c // groups, *kernel), (o,)]
        options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
        both("conv2d", shapes, dtype, **options)


@pytest.mark.parametrize("kernel", [(2, 3), (4, 4), (5, 1)])
@pytest.mark.parametrize("dilation", [1, (2, 3)])
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_conv2d_padding_by_name(kernel: tuple[int, int], dilation: Any) -> None:
    shapes: list[tuple[int, ...]] = [(2, 3, 11, 12), (4, 3, *kernel), (4,)]
    both("conv2d", shapes, np.float64, padding="same", dilation=dilation)
    both("conv2d", shapes, np.float64, padding="valid", dilation=dilation)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("c", "o", "groups"), [(1, 4, 1), (3, 2, 1), (4, 6, 2), (3, 3, 3)])
def test_conv_transpose2d(c: int, o: int, groups: int, dtype: Any) -> None:
    for kernel, stride, padding, extra, dilation, size in product(
        [(3, 3), (4, 4), (1, 2)],
        [1, 2, (3, 2)],
        [0, 1, (1, 0)],
        [0, 1, 2],
        [1, (3, 2)],
        [(1, 1), (4, 5)],
    ):
        axes = list(zip(*map(_pair, (size, kernel, stride, padding, dilation)), strict=True))
        if any(extra >= max(s, d) for _, _, s, _, d in axes):
            continue
        if any((n - 1) * s - 2 * p + d * (k - 1) + extra < 0 for n, k, s, p, d in axes):
            continue
        options = dict(
            stride=stride, padding=padding, output_padding=extra, dilation=dilation, groups=groups
        )
        both("conv_transpose2d", [(2, c, *size), (c, o // groups, *kernel), (o,)], dtype, **options)


def test_conv1d_and_conv_transpose1d() -> None:
    for kernel, stride, padding, dilation in product([1, 2, 5], [1, 3], [0, 2], [1, 2]):
        options = dict(stride=stride, padding=padding, dilation=dilation)
        both("conv1d", [(2, 4, 13), (6, 2, kernel), (6,)], np.float64, groups=2, **options)
        both("conv1d", [(4, 13), (6, 4, kernel)], np.float64, **options)
        if padding < kernel:
            both("conv_transpose1d", [(2, 4, 6), (4, 3, kernel), (3,)], np.float64, **options)


def test_unbatched_images() -> None:
    both("conv2d", [(3, 6, 7), (2, 3, 3, 3), (2,)], np.float64, padding=1)
    both("conv_transpose2d", [(3, 6, 7), (3, 2, 3, 3), (2,)], np.float64, stride=2)


def test_dcgan_shapes() -> None:
    both("conv_transpose2d", [(3, 8, 1, 1), (8, 6, 4, 4)], np.float32, stride=1)
    both("conv2d", [(3, 6, 4, 4), (1, 6, 4, 4)], np.float32, stride=1)
    both("conv2d", [(3, 6, 5, 4), (5, 6, 1, 1), (5,)], np.float32)


def test_second_order_through_a_critic() -> None:
    """The WGAN-GP penalty's gradient by the weights of two layers."""
    x = random.standard_normal((2, 2, 9, 8))
    w = [random.standard_normal(shape) for shape in ((4, 2, 4, 4), (3, 4, 3, 3))]

    def penalty(conv2d: Any, x: Any, w: Any, gradient: Any) -> Any:
        y = conv2d(conv2d(x, w[0], stride=2, padding=1).tanh(), w[1], padding=1)
        (dx,) = gradient(y.tanh().sum(), x)
        return ((dx * dx).sum() - 1) ** 2

    theirs = [torch.tensor(a, requires_grad=True) for a in (x, *w)]
    ours = [wrap(a).requires_grad_() for a in (x, *w)]
    expected = penalty(
        torch.nn.functional.conv2d,
        theirs[0],
        theirs[1:],
        lambda y, x: torch.autograd.grad(y, x, create_graph=True),
    )
    value = penalty(
        convolution.conv2d, ours[0], ours[1:], lambda y, x: grad(y, x, create_graph=True)
    )
    np.testing.assert_allclose(value.item(), expected.item())
    for a, b in zip(grad(value, ours), torch.autograd.grad(expected, theirs), strict=True):
        assert a is not None
        np.testing.assert_allclose(a.array, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "shapes", "options"),
    [
        ("conv2d", [(2, 3, 5, 5), (4, 2, 3, 3)], {}),
        ("conv2d", [(2, 4, 5, 5), (3, 2, 3, 3)], {"groups": 2}),
        ("conv2d", [(2, 3, 2, 5), (4, 3, 3, 3)], {}),
        ("conv2d", [(2, 3, 5, 5), (4, 3, 3, 3)], {"padding": -1}),
        ("conv2d", [(2, 3, 5, 5), (4, 3, 3, 3)], {"stride": 0}),
        ("conv2d", [(2, 3, 5, 5), (4, 3, 3, 3)], {"padding": "same", "stride": 2}),
        ("conv2d", [(3, 5), (4, 3, 3, 3)], {}),
        ("conv2d", [(2, 3, 5, 5), (4, 3, 3, 3), (3,)], {}),
        ("conv_transpose2d", [(2, 3, 5, 5), (4, 3, 3, 3)], {}),
        ("conv_transpose2d", [(2, 4, 5, 5), (4, 3, 3, 3)], {"stride": 2, "output_padding": 2}),
        ("conv1d", [(2, 3, 5, 5), (4, 3, 3)], {}),
    ],
)
def test_what_pytorch_refuses_is_refused(
    name: str, shapes: list[tuple[int, ...]], options: dict[str, Any]
) -> None:
    with pytest.raises((RuntimeError, ValueError)):
        getattr(torch.nn.functional, name)(*[torch.zeros(s) for s in shapes], **options)
    with pytest.raises(RuntimeError, match=name):
        getattr(convolution, name)(*[wrap(np.zeros(s)) for s in shapes], **options)
