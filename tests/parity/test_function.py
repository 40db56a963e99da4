"""Gradients written by hand, in tinygan and in PyTorch from the same text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import compare  # noqa: E402

X = np.random.default_rng(0).uniform(0.2, 1.2, (3, 4))
W = np.random.default_rng(1).uniform(0.2, 1.2, (3, 4))


def blur(lib: Any, x: Any) -> Any:
    """As StyleGAN's: the derivative of a fixed filter is a Function too."""

    class Backward(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx, g, kernel):
            ctx.save_for_backward(kernel)
            return lib.nn.functional.conv1d(g, kernel.flip([2]), padding=1)

        @staticmethod
        def backward(ctx, gg):
            (kernel,) = ctx.saved_tensors
            return lib.nn.functional.conv1d(gg, kernel, padding=1), None

    class Forward(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx, x, kernel):
            ctx.save_for_backward(kernel)
            return lib.nn.functional.conv1d(x, kernel, padding=1)

        @staticmethod
        def backward(ctx, g):
            (kernel,) = ctx.saved_tensors
            return Backward.apply(g, kernel), None

    kernel = lib.tensor([[[1.0, 2.0, 4.0]]], dtype=lib.float64)
    return Forward.apply(x[:, None], kernel).sin()


def straight_through(lib: Any, x: Any) -> Any:
    class Rounded(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx, x):
            return x.round()

        @staticmethod
        def backward(ctx, g):
            return g

    return Rounded.apply(x * 3) * x


def saved_output(lib: Any, x: Any) -> Any:
    class Exponential(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    return Exponential.apply(x)


def several(lib: Any, x: Any, w: Any) -> Any:
    class Pair(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx, x, w):
            product, quotient = x * w, x / w
            ctx.save_for_backward(x, w, quotient)
            return product, quotient

        @staticmethod
        def backward(ctx, g, h):
            x, w, quotient = ctx.saved_tensors
            return g * w + h / w, g * x - h * quotient / w

    return Pair.apply(x, w)


@pytest.mark.parametrize("f", [blur, straight_through, saved_output])
def test_of_one_input(f: Any) -> None:
    compare(f, X, order=3)


def test_of_two_inputs_and_outputs() -> None:
    compare(several, X, W, order=3)
    compare(lambda lib, x, w: several(lib, x, w)[1], X, W, order=2)


def types(lib: Any, x: Any) -> Any:
    class Both(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx, x):
            return x.float() * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            return g.to(h.dtype) * 2 + h * 3

    return Both.apply(x)


def test_of_outputs_of_two_types() -> None:
    compare(types, X, order=2)
    compare(lambda lib, x: types(lib, x)[1], X, order=1)
    compare(lambda lib, x: types(lib, x)[0], X, order=1)
    compare(lambda lib, x: types(lib, x)[1] * types(lib, x)[0], X, order=2)
