"""Layers of several inputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from tinygan import ops
from tinygan.autograd import Tensor
from tinygan.keras.layer import Layer
from tinygan.keras.symbolic import Shape


class Concatenate(Layer):
    """The inputs one after the other along an axis, by default the last."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        return ops.cat(list(inputs), self.axis)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        first = list(input_shape[0])
        axis = self.axis % len(first)
        for shape in input_shape[1:]:
            same = len(shape) == len(first) and all(
                n == m or None in (n, m)
                for d, (n, m) in enumerate(zip(first, shape, strict=True))
                if d != axis
            )
            if not same:
                raise ValueError(
                    f"Concatenate: shapes may differ along axis {self.axis} only, got {input_shape}"
                )
        sizes = [shape[axis] for shape in input_shape]
        first[axis] = None if None in sizes else sum(sizes)
        return tuple(first)


class _Merge(Layer):
    """Elementwise, with the shapes broadcast."""

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        return reduce(self.merged, inputs)

    def merged(self, x: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> Shape:
        longest = max(map(len, input_shape))
        padded = [(1,) * (longest - len(shape)) + tuple(shape) for shape in input_shape]
        result: list[int | None] = []
        for sizes in zip(*padded, strict=True):
            known = {n for n in sizes if n not in (1, None)}
            if len(known) > 1:
                raise ValueError(f"{type(self).__name__}: {input_shape} cannot be broadcast")
            result.append(known.pop() if known else None if None in sizes else 1)
        return tuple(result)


class Add(_Merge):
    """x + y + ..."""

    def merged(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Subtract(_Merge):
    """x - y."""

    def merged(self, x: Tensor, y: Tensor) -> Tensor:
        return x - y


class Multiply(_Merge):
    """x y ..."""

    def merged(self, x: Tensor, y: Tensor) -> Tensor:
        return x * y


class Maximum(_Merge):
    """max(x, y, ...)."""

    def merged(self, x: Tensor, y: Tensor) -> Tensor:
        return ops.maximum(x, y)


class Minimum(_Merge):
    """min(x, y, ...)."""

    def merged(self, x: Tensor, y: Tensor) -> Tensor:
        return ops.minimum(x, y)


class Average(Add):
    """(x + y + ...) / how many."""

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        return super().call(inputs) / len(inputs)


def _function(layer: type[Layer]) -> Any:
    def merge(inputs: Any, **keywords: Any) -> Any:
        return layer(**keywords)(inputs)

    merge.__doc__ = layer.__doc__
    return merge


add, subtract, multiply, concatenate, maximum, minimum, average = (
    _function(layer) for layer in (Add, Subtract, Multiply, Concatenate, Maximum, Minimum, Average)
)
