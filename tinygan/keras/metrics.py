"""Metrics by Keras's names: sums that batches are added to, and what is read from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan import ops
from tinygan.autograd import Tensor, no_grad
from tinygan.backend import host_array
from tinygan.backend.dtypes import float64
from tinygan.keras import losses, names
from tinygan.keras.configured import Configured, by_name
from tinygan.keras.losses import same_rank, weights_like


class Metric(Configured):
    """Numbers that sum up over batches: `parts` of one batch, and their `value`.

    The sums are one array on the device where the batches are, so that a recorded step adds to it;
    it is read when `result` is asked for.
    """

    kind = "metrics."

    def __init__(self, name: str | None = None) -> None:
        self.name = name or names.automatic(type(self).__name__)
        self.sums: Tensor | None = None

    def parts(self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> list[Tensor | float]:
        """What a batch adds to each sum."""
        raise NotImplementedError(f"{type(self).__name__} defines no parts()")

    def value(self, sums: np.ndarray) -> float:
        """The metric, of the sums over all batches."""
        raise NotImplementedError(f"{type(self).__name__} defines no value()")

    @no_grad()
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = ops.as_tensor(y_true).detach(), ops.as_tensor(y_pred).detach()
        weight = None if sample_weight is None else ops.as_tensor(sample_weight)
        self.add(self.parts(y_true, y_pred, weight), y_pred)

    def add(self, parts: list[Tensor | float], like: Tensor) -> None:
        """Add numbers to the sums, which lie where `like` does."""
        if self.sums is None or self.sums.device != like.device:
            self.sums = ops.zeros(len(parts), dtype=float64, device=like.device)
        for i, part in enumerate(parts):
            self.sums[i].add_(part.to(float64) if isinstance(part, Tensor) else part)

    def reset_state(self) -> None:
        if self.sums is not None:
            self.sums.array[...] = 0

    def result(self) -> float:
        return math.nan if self.sums is None else self.value(host_array(self.sums.array))

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


class _Mean(Metric):
    """The mean of one value for each sample, weighted if there are weights."""

    def parts(self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> list[Tensor | float]:
        values = self.values(y_true, y_pred)
        if weight is None:
            return [values.sum(), float(values.numel())]
        weight = weights_like(weight, values).expand(values.shape)
        return [(values * weight).sum(), weight.sum()]

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """A number for each sample, in a floating-point type."""
        raise NotImplementedError

    def value(self, sums: np.ndarray) -> float:
        return float(sums[0] / sums[1]) if sums[1] else 0.0


class Mean(_Mean):
    """The mean of all numbers given to `update_state(values)`."""

    @no_grad()
    def update_state(self, values: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        values = ops.as_tensor(values).detach()
        weight = None if sample_weight is None else ops.as_tensor(sample_weight)
        self.add(self.parts(values, values, weight), values)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return y_pred.to(ops.zeros(0).dtype)


class MeanOf(_Mean):
    """The mean of a function of (y_true, y_pred), with its options."""

    def __init__(self, fn: Callable[..., Tensor], name: str | None = None, **options: Any) -> None:
        super().__init__(name or fn.__name__)
        self.fn, self.options = fn, options

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.fn(y_true, y_pred, **self.options).to(ops.zeros(0).dtype)


class RootMeanSquaredError(_Mean):
    """The root of the mean of (y_pred - y_true)^2."""

    def __init__(self, name: str | None = "root_mean_squared_error") -> None:
        super().__init__(name)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y_true, y_pred = same_rank(y_true, y_pred)
        return (y_pred - y_true).square()

    def value(self, sums: np.ndarray) -> float:
        return math.sqrt(super().value(sums))


class _Counts(Metric):
    """A share of counts of true and false positives and negatives at a threshold."""

    def __init__(self, thresholds: float = 0.5, name: str | None = None) -> None:
        super().__init__(name)
        self.threshold = thresholds

    def parts(self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> list[Tensor | float]:
        """True positives, and those that are counted among them: for precision the positives."""
        y_true, y_pred = same_rank(y_true, y_pred)
        dtype = y_pred.dtype
        actual, called = y_true.bool().to(dtype), (y_pred > self.threshold).to(dtype)
        if weight is not None:
            actual = actual * weights_like(weight, actual)
            called = called * weights_like(weight, called)
        return [(actual * called).sum(), self.among(actual, called).sum()]

    def among(self, actual: Tensor, called: Tensor) -> Tensor:
        raise NotImplementedError

    def value(self, sums: np.ndarray) -> float:
        return float(sums[0] / sums[1]) if sums[1] else 0.0


class Precision(_Counts):
    """Of those called positive, the share that is."""

    def among(self, actual: Tensor, called: Tensor) -> Tensor:
        return called


class Recall(_Counts):
    """Of the positive, the share that is called so."""

    def among(self, actual: Tensor, called: Tensor) -> Tensor:
        return actual


def accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """1 where y_pred is y_true."""
    y_true, y_pred = same_rank(y_true, y_pred)
    return y_true == y_pred


def binary_accuracy(y_true: Tensor, y_pred: Tensor, threshold: float = 0.5) -> Tensor:
    """1 where y_pred > threshold tells y_true."""
    y_true, y_pred = same_rank(y_true, y_pred)
    return (y_pred > threshold).to(y_pred.dtype) == y_true.to(y_pred.dtype)


def categorical_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """1 where the largest of y_pred is the largest of y_true."""
    return y_pred.argmax(-1) == y_true.argmax(-1)


def sparse_categorical_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """1 where the largest of y_pred is number y_true."""
    classes = y_true[..., 0] if y_true.ndim == y_pred.ndim else y_true
    return y_pred.argmax(-1) == classes.long()


def sparse_top_k_categorical_accuracy(y_true: Tensor, y_pred: Tensor, k: int = 5) -> Tensor:
    """1 where number y_true is among the k largest of y_pred."""
    classes = (y_true[..., 0] if y_true.ndim == y_pred.ndim else y_true).long()
    own = y_pred.gather(-1, classes.unsqueeze(-1))
    return (y_pred > own).to(y_pred.dtype).sum(-1) < k


def top_k_categorical_accuracy(y_true: Tensor, y_pred: Tensor, k: int = 5) -> Tensor:
    """1 where the largest of y_true is among the k largest of y_pred."""
    return sparse_top_k_categorical_accuracy(y_true.argmax(-1), y_pred, k)


def _metric(class_name: str, function: Callable[..., Tensor]) -> type[MeanOf]:
    """The class of a function: its arguments are the function's options."""

    def __init__(self: MeanOf, *, name: str | None = None, **options: Any) -> None:
        MeanOf.__init__(self, function, name or names.snake_case(class_name), **options)

    namespace = {"__init__": __init__, "__doc__": function.__doc__, "__module__": __name__}
    made: type[MeanOf] = type(f"{class_name}", (MeanOf,), namespace)
    return made


Accuracy = _metric("Accuracy", accuracy)
BinaryAccuracy = _metric("BinaryAccuracy", binary_accuracy)
CategoricalAccuracy = _metric("CategoricalAccuracy", categorical_accuracy)
SparseCategoricalAccuracy = _metric("SparseCategoricalAccuracy", sparse_categorical_accuracy)
TopKCategoricalAccuracy = _metric("TopKCategoricalAccuracy", top_k_categorical_accuracy)
SparseTopKCategoricalAccuracy = _metric(
    "SparseTopKCategoricalAccuracy", sparse_top_k_categorical_accuracy
)
MeanSquaredError = _metric("MeanSquaredError", losses.mean_squared_error)
MeanAbsoluteError = _metric("MeanAbsoluteError", losses.mean_absolute_error)
KLDivergence = _metric("KLDivergence", losses.kl_divergence)
BinaryCrossentropy = _metric("BinaryCrossentropy", losses.binary_crossentropy)
CategoricalCrossentropy = _metric("CategoricalCrossentropy", losses.categorical_crossentropy)
SparseCategoricalCrossentropy = _metric(
    "SparseCategoricalCrossentropy", losses.sparse_categorical_crossentropy
)

FUNCTIONS = {
    **losses.FUNCTIONS,
    **{
        function.__name__: function
        for function in (
            *(accuracy, binary_accuracy, categorical_accuracy, sparse_categorical_accuracy),
            *(top_k_categorical_accuracy, sparse_top_k_categorical_accuracy),
        )
    },
}


def get(identifier: Any, y_true: Tensor, y_pred: Tensor) -> Metric:
    """The metric of a name; "accuracy" is the one for these targets and outputs."""
    if isinstance(identifier, Metric):
        return identifier
    if identifier in ("accuracy", "acc"):
        chosen: Callable[..., Tensor] = categorical_accuracy
        if y_pred.shape[-1] == 1:
            chosen = binary_accuracy
        elif y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
            chosen = sparse_categorical_accuracy
        return MeanOf(chosen, identifier)
    found = by_name("metric", identifier, FUNCTIONS)
    if isinstance(found, Metric):
        return found
    return MeanOf(found, identifier if isinstance(identifier, str) else None)
