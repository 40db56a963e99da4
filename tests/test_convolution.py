"""The convolution trio against a loop, its adjointness, its memory order and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import strict_cupy
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygan.autograd import grad, no_grad, wrap
from tinygan.backend import backend_for, host_array
from tinygan.ops.columns import fold, unfold
from tinygan.ops.conv_trio import _conv2d, _conv2d_input_grad, _conv2d_weight_grad
from tinygan.ops.convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from tinygan.ops.pooling import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from tinygan.ops.resample import interpolate
from tinygan.ops.windows import columns

random = np.random.default_rng(0)


@dataclass
class Case:
    n: int
    channels: tuple[int, int]  # in, out
    size: tuple[int, int]
    kernel: tuple[int, int]
    static: dict[str, Any]

    @property
    def count(self) -> tuple[int, int]:
        result = []
        for axis in (0, 1):
            room = self.size[axis] + sum(self.static["padding"][axis])
            room -= self.static["dilation"][axis] * (self.kernel[axis] - 1) + 1
            result.append(room // self.static["stride"][axis] + 1)
        return result[0], result[1]

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, w and g."""
        (c, o), groups = self.channels, self.static["groups"]
        return (
            random.standard_normal((self.n, c, *self.size)),
            random.standard_normal((o, c // groups, *self.kernel)),
            random.standard_normal((self.n, o, *self.count)),
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    groups = draw(st.integers(1, 3))
    channels = (groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3)))
    sizes, kernels, strides, pads, dilations = [], [], [], [], []
    for _ in range(2):
        k, d, s = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
        pad = (draw(st.integers(0, 3)), draw(st.integers(-1, 3)))
        least = max(d * (k - 1) + 1 - sum(pad), 1, -pad[1])
        sizes.append(draw(st.integers(least, least + 5)))
        kernels.append(k)
        strides.append(s)
        pads.append(pad)
        dilations.append(d)
    static = dict(
        stride=tuple(strides), padding=tuple(pads), dilation=tuple(dilations), groups=groups
    )
    n = draw(st.integers(0, 3))
    return Case(n, channels, (sizes[0], sizes[1]), (kernels[0], kernels[1]), static)


def naive_conv2d(x: np.ndarray, w: np.ndarray, case: Case) -> np.ndarray:
    """Convolution by its definition, a loop over everything but the batch."""
    (sh, sw), (dh, dw) = case.static["stride"], case.static["dilation"]
    (top, _), (left, _) = case.static["padding"]
    per_group = case.channels[0] // case.static["groups"]
    y = np.zeros((case.n, case.channels[1], *case.count))
    for o, i, j in np.ndindex(y.shape[1:]):
        group = o // (case.channels[1] // case.static["groups"])
        for c, a, b in np.ndindex(w.shape[1:]):
            row, column = i * sh + a * dh - top, j * sw + b * dw - left
            if 0 <= row < case.size[0] and 0 <= column < case.size[1]:
                y[:, o, i, j] += x[:, group * per_group + c, row, column] * w[o, c, a, b]
    return y


@settings(deadline=None, max_examples=60)
@given(cases())
def test_conv2d_is_its_definition_and_the_trio_is_adjoint(case: Case) -> None:
    x, w, g = case.arrays()
    for compute in (lambda op, *a, **s: op.reference(np, *a, **s), _on_tensors):
        y = compute(_conv2d, x, w, **case.static)
        dx = compute(_conv2d_input_grad, g, w, size=case.size, **case.static)
        dw = compute(_conv2d_weight_grad, x, g, kernel=case.kernel, **case.static)
        np.testing.assert_allclose(y, naive_conv2d(x, w, case), atol=1e-12)
        assert dx.shape == x.shape and dw.shape == w.shape
        np.testing.assert_allclose(np.vdot(g, y), np.vdot(dx, x), atol=1e-10)
        np.testing.assert_allclose(np.vdot(g, y), np.vdot(dw, w), atol=1e-10)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_batch_computed_in_parts_is_the_batch(
    groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    static = dict(stride=(2, 1), padding=((1, 1), (0, 2)), dilation=(1, 2), groups=groups)
    case = Case(5, (4, 6), (7, 6), (3, 2), static)
    x, w, g = case.arrays()
    bias = random.standard_normal(6)

    def trio() -> tuple[np.ndarray, ...]:
        return (
            _conv2d.reference(np, x, w, bias, **static),
            _conv2d_input_grad.reference(np, g, w, bias[:4], size=case.size, **static),
            _conv2d_weight_grad.reference(np, x, g, kernel=case.kernel, **static),
        )

    whole = trio()
    monkeypatch.setattr("tinygan.ops.conv_trio.COLUMNS", 1000)  # two images
    for a, b in zip(trio(), whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
        assert a.flags.c_contiguous or a.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("kernel", [1, 3])
def test_windows_that_do_not_overlap_are_not_copied(kernel: int) -> None:
    x = random.standard_normal((2, 6, 6, 4))
    seen = columns(
        np, x, (6 // kernel, 6 // kernel), (kernel, kernel), (kernel, kernel), (0, 0), (1, 1), 2
    )
    assert seen.base is not None and np.shares_memory(seen, x)


def _on_tensors(op: Any, *arrays: np.ndarray, **static: Any) -> np.ndarray:
    return op(*[wrap(a) for a in arrays], **static).numpy()


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("kernel", [1, 3])
def test_activations_are_channels_last_in_memory(groups: int, kernel: int) -> None:
    x = wrap(random.standard_normal((2, 5, 6, 4)).transpose(0, 3, 1, 2))
    w = wrap(random.standard_normal((4, 4 // groups, kernel, kernel)))
    for y in (
        conv2d(x, w, padding=1, groups=groups),
        conv_transpose2d(x, w, stride=2, padding=kernel // 2, groups=groups),
    ):
        assert y.numpy().transpose(0, 2, 3, 1).flags.c_contiguous


def test_the_weight_gradient_has_the_weights_memory_order() -> None:
    x = wrap(random.standard_normal((2, 3, 5, 5)))
    w = wrap(random.standard_normal((4, 3, 3, 3))).requires_grad_()
    (dw,) = grad(conv2d(x, w).sum(), w)
    assert dw is not None and dw.numpy().flags.c_contiguous


def test_float32_stays_float32_and_float64_stays_float64() -> None:
    for dtype in (np.float32, np.float64):
        x, w = wrap(np.ones((1, 2, 4, 4), dtype)), wrap(np.ones((2, 2, 3, 3), dtype))
        b = wrap(np.ones(2, dtype))
        assert conv2d(x, w, b).dtype == dtype
        assert conv_transpose2d(x, w, b, stride=2).dtype == dtype


def test_convolution_with_a_centred_one_is_the_identity() -> None:
    x = random.standard_normal((2, 3, 5, 4))
    w = np.zeros((3, 1, 3, 3))
    w[:, :, 1, 1] = 1
    y = conv2d(wrap(x), wrap(w), padding="same", groups=3)
    np.testing.assert_array_equal(y.numpy(), x)


def test_bias_is_added_per_channel() -> None:
    x, w = wrap(np.zeros((2, 1, 3, 3))), wrap(np.ones((2, 1, 2, 2)))
    b = wrap(np.array([1.0, -2.0]))
    assert conv2d(x, w, b).numpy()[0, :, 0, 0].tolist() == [1, -2]
    w = wrap(np.ones((1, 2, 2, 2)))
    assert conv_transpose2d(x, w, b, stride=3, output_padding=2).numpy()[1, :, -1, -1].tolist() == [
        1,
        -2,
    ]


def test_an_empty_batch_has_an_empty_result_and_a_zero_weight_gradient() -> None:
    x = wrap(np.zeros((0, 2, 5, 5))).requires_grad_()
    w = wrap(random.standard_normal((3, 2, 3, 3))).requires_grad_()
    y = conv2d(x, w, stride=2)
    assert y.shape == (0, 3, 2, 2)
    dx, dw = grad(y.sum(), (x, w))
    assert dx is not None and dx.shape == x.shape
    assert dw is not None and not dw.numpy().any() and dw.shape == w.shape
    assert conv_transpose2d(x, wrap(np.zeros((2, 4, 3, 3)))).shape == (0, 4, 7, 7)


def test_input_is_not_changed_and_the_result_is_its_own_memory() -> None:
    x = wrap(random.standard_normal((1, 2, 3, 3)))
    before = x.numpy().copy()
    w = wrap(np.eye(2).reshape(2, 2, 1, 1))
    with no_grad():
        y = conv2d(x, w, wrap(np.ones(2)))
        y.zero_()
    np.testing.assert_array_equal(x.numpy(), before)


def test_unbatched_and_one_dimensional_input_are_the_batched_two_dimensional_one() -> None:
    x, w = random.standard_normal((2, 3, 6)), random.standard_normal((4, 3, 2))
    y = conv1d(wrap(x), wrap(w), stride=2, padding=1, dilation=2).numpy()
    flat = conv2d(
        wrap(x[:, :, None]), wrap(w[:, :, None]), stride=(1, 2), padding=(0, 1), dilation=(1, 2)
    )
    np.testing.assert_allclose(y, flat.numpy()[:, :, 0])
    np.testing.assert_allclose(
        conv1d(wrap(x[0]), wrap(w), stride=2, padding=1, dilation=2).numpy(), y[0]
    )
    z = conv_transpose1d(wrap(y), wrap(w), stride=2, padding=1, dilation=2).numpy()
    np.testing.assert_allclose(
        conv_transpose1d(wrap(y[1]), wrap(w), stride=2, padding=1, dilation=2).numpy(), z[1]
    )


def test_a_gradient_penalty_through_convolutions_has_its_closed_form(device: str) -> None:
    # d/dw of |d/dx <g, conv(x, w)>|^2 = d/dw |conv_input_grad(g, w)|^2, quadratic in w
    to = backend_for(device).from_host
    x = wrap(to(random.standard_normal((2, 2, 5, 5)))).requires_grad_()
    w = wrap(to(random.standard_normal((3, 2, 3, 3)))).requires_grad_()
    y = conv2d(x, w, stride=2)
    (dx,) = grad(y.sum(), x, create_graph=True)
    assert dx is not None
    penalty = (dx * dx).sum()
    (dw,) = grad(penalty, w)
    assert dw is not None
    # Euler: <w, dw> = 2 penalty
    inner = np.vdot(host_array(w.array), host_array(dw.array))
    np.testing.assert_allclose(inner, 2 * penalty.item())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, w: conv2d(x, w[:, :1]), "expects 1 input channels.*(2, 2, 5, 5)"),
        (lambda x, w: conv2d(x, w[:, :1][:3], groups=2), "does not divide the 3 output channels"),
        (lambda x, w: conv2d(x, w, groups=0), "groups is 0"),
        (lambda x, w: conv2d(x, w, stride=0), "stride is 0"),
        (lambda x, w: conv2d(x, w, padding=-1), "padding is -1"),
        (lambda x, w: conv2d(x, w, dilation=(1, 2, 3)), "dilation has 3 numbers"),
        (lambda x, w: conv2d(x, w, dilation=3), "larger than the padded input"),
        (lambda x, w: conv2d(x[0, 0], w), r"expected an input \(N, C, H, W\) or \(C, H, W\)"),
        (lambda x, w: conv2d(x, w[0]), "a weight with 4 dimensions"),
        (lambda x, w: conv2d(x, w, w[0, 0, 0]), r"a bias of shape \(4,\)"),
        (lambda x, w: conv2d(x, w.to(dtype=np.float32)), "weight is float32 and the input float64"),
        (lambda x, w: conv2d(x, w, padding="same", stride=2), "'same' needs stride 1"),
        (lambda x, w: conv2d(x, w, padding="full"), "'full', expected numbers, 'valid' or 'same'"),
        (lambda x, w: conv_transpose2d(x, w), "expects 4 input channels"),
        (lambda x, w: conv_transpose2d(x, w[:2], output_padding=1), "less than the stride"),
        (lambda x, w: conv_transpose2d(x, w[:2], padding=4), "too small"),
        (lambda x, w: conv_transpose2d(x, w[:2], w[0, 0, 0, :2], groups=2), r"shape \(4,\)"),
        (lambda x, w: conv1d(x, w), r"expected an input \(N, C, L\)|3 dimensions"),
    ],
)
def test_misuse_is_an_error_that_says_what_was_expected(call: Any, words: str) -> None:
    x, w = wrap(np.zeros((2, 2, 5, 5))), wrap(np.zeros((4, 2, 3, 3)))
    with pytest.raises(RuntimeError, match=words) as error:
        call(x, w)
    assert str(error.value).startswith("conv")


def test_a_size_that_is_no_integer_is_refused_by_name() -> None:
    x, w = wrap(np.zeros((1, 1, 5, 5))), wrap(np.zeros((1, 1, 3, 3)))
    with pytest.raises(TypeError, match=r"conv2d: stride is 1\.5, expected an int or 2 ints"):
        conv2d(x, w, stride=1.5)  # type: ignore[arg-type]
    assert conv2d(x, w, stride=np.int64(2)).shape == (1, 1, 2, 2)  # type: ignore[arg-type]


def test_images_are_computed_without_waiting_for_the_device() -> None:
    to = backend_for("cuda").from_host
    x = wrap(to(random.standard_normal((2, 4, 6, 6)))).requires_grad_()
    w = wrap(to(random.standard_normal((4, 2, 3, 3)))).requires_grad_()
    with strict_cupy.no_synchronization():
        y = conv2d(x, w, padding="same", groups=2)
        y = interpolate(max_pool2d(y, 3, 2, 1), scale_factor=2) + conv_transpose2d(
            avg_pool2d(y, 3, 2, 1), w, stride=2, padding=1, output_padding=1, groups=2
        )
        y = y + fold(unfold(y, 3, padding=1), (6, 6), 3, padding=1)
        y = interpolate(y, size=(5, 4), mode="bilinear") + adaptive_avg_pool2d(y, (5, 4))
        (dx,) = grad((y * y).sum(), x, create_graph=True)
        assert dx is not None
        grad((dx * dx).sum(), w)


def test_a_plain_array_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="weight must be a Tensor, got ndarray"):
        conv2d(wrap(np.zeros((1, 1, 3, 3))), np.zeros((1, 1, 3, 3)))  # type: ignore[arg-type]
