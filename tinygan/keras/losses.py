"""Losses by Keras's names: functions of (y_true, y_pred) for each sample, and classes of them.

Where y_pred is the result of a softmax or a sigmoid, its cross entropy is computed from what that
was applied to, by the engine's fused kernels. Keras takes logarithms of probabilities that it
first cuts off at [1e-7, 1 - 1e-7]; the same cut is made here, in the logarithm, so that the
numbers are Keras's up to rounding, and so are the gradients: zero where the cut is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan import ops
from tinygan.autograd import Tensor
from tinygan.backend.errors import choose
from tinygan.keras.activations import logits_of
from tinygan.keras.configured import Configured, by_name
from tinygan.losses import huber_loss
from tinygan.losses.classification import logistic_loss
from tinygan.losses.reduction import REDUCTIONS
from tinygan.losses.softmax import softmax_cross_entropy

EPSILON = 1e-7
MOST = float(np.float32(1) - np.float32(EPSILON))  # 1 - 1.19e-7: the float32 that 1 - 1e-7 is
LOWEST, HIGHEST = math.log(EPSILON), math.log(MOST)  # the logarithms of where is cut
LOGITS = math.log(EPSILON / (1 - EPSILON)), math.log(MOST / (1 - MOST))


def same_rank(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Both with as many dimensions, a last one of size 1 being added or taken away."""
    if y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
        return (y_true, y_pred[:, None]) if y_pred.ndim == 1 else (y_true[..., 0], y_pred)
    if y_pred.ndim == y_true.ndim + 1 and y_pred.shape[-1] == 1:
        return (y_true[:, None], y_pred) if y_true.ndim == 1 else (y_true, y_pred[..., 0])
    return y_true, y_pred


def _numbers(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    y_true, y_pred = same_rank(y_true, y_pred)
    return y_true.to(y_pred.dtype), y_pred


def mean_squared_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The mean over the last axis of (y_pred - y_true)^2."""
    y_true, y_pred = _numbers(y_true, y_pred)
    return (y_pred - y_true).square().mean(-1)


def mean_absolute_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The mean over the last axis of |y_pred - y_true|."""
    y_true, y_pred = _numbers(y_true, y_pred)
    return (y_pred - y_true).abs().mean(-1)


def huber(y_true: Tensor, y_pred: Tensor, delta: float = 1.0) -> Tensor:
    """The mean over the last axis of d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2)."""
    y_true, y_pred = _numbers(y_true, y_pred)
    return huber_loss(y_pred, y_true, "none", delta).mean(-1)


def _signs(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Labels in {0, 1} as {-1, 1}; labels in {-1, 1} as they are."""
    y_true, y_pred = _numbers(y_true, y_pred)
    binary = ((y_true == 0) | (y_true == 1)).all()
    return ops.where(binary, y_true * 2 - 1, y_true), y_pred


def hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The mean over the last axis of max(1 - y_true y_pred, 0), labels -1 and 1, or 0 and 1."""
    signs, y_pred = _signs(y_true, y_pred)
    return (1 - signs * y_pred).relu().mean(-1)


def squared_hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The mean over the last axis of max(1 - y_true y_pred, 0)^2."""
    signs, y_pred = _signs(y_true, y_pred)
    return (1 - signs * y_pred).relu().square().mean(-1)


def log_cosh(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The mean over the last axis of log cosh(y_pred - y_true)."""
    y_true, y_pred = _numbers(y_true, y_pred)
    d = y_pred - y_true
    return (d + ops.softplus(d * -2) - math.log(2)).mean(-1)


def poisson(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The mean over the last axis of y_pred - y_true log(y_pred + 1e-7)."""
    y_true, y_pred = _numbers(y_true, y_pred)
    return (y_pred - y_true * (y_pred + EPSILON).log()).mean(-1)


def kl_divergence(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The sum over the last axis of t log(t / p), both at least 1e-7."""
    y_true, y_pred = _numbers(y_true, y_pred)
    t, p = y_true.clamp(EPSILON, 1), y_pred.clamp(EPSILON, 1)
    return (t * (t / p).log()).sum(-1)


def binary_crossentropy(
    y_true: Tensor, y_pred: Tensor, from_logits: bool = False, label_smoothing: float = 0.0
) -> Tensor:
    """The mean over the last axis of -(t log p + (1 - t) log(1 - p)), p cut off at 1e-7.

    `from_logits`: y_pred are logits, and nothing is cut off. Smoothed, t is (1 - s) t + s / 2.
    """
    logits = None if from_logits else logits_of("sigmoid", y_pred)
    x = y_pred if logits is None else logits
    t, x = _numbers(y_true, x)
    _check_shapes("binary_crossentropy", t, x)
    if label_smoothing:
        t = t * (1 - label_smoothing) + 0.5 * label_smoothing
    if not from_logits and logits is None:
        p = x.clamp(EPSILON, MOST)
        return -(t * p.log() + (1 - t) * (1 - p).log()).mean(-1)
    loss: Tensor = logistic_loss(x if from_logits else x.clamp(*LOGITS), t)
    return loss.mean(-1)


def categorical_crossentropy(
    y_true: Tensor, y_pred: Tensor, from_logits: bool = False, label_smoothing: float = 0.0
) -> Tensor:
    """-sum_c t[c] log p[c] over the last axis, p scaled to sum 1 and cut off at 1e-7.

    `from_logits`: y_pred are logits, and nothing is cut off. Smoothed, t is (1 - s) t + s / C.
    """
    t = y_true.to(y_pred.dtype)
    _check_shapes("categorical_crossentropy", t, y_pred)
    if label_smoothing:
        t = t * (1 - label_smoothing) + label_smoothing / y_pred.shape[-1]
    return -(t * _log_probabilities(y_pred, from_logits)).sum(-1)


def sparse_categorical_crossentropy(
    y_true: Tensor, y_pred: Tensor, from_logits: bool = False
) -> Tensor:
    """-log p[y_true] over the last axis, for classes y_true; the rest as above."""
    classes = y_true[..., 0] if y_true.ndim == y_pred.ndim else y_true
    _check_shapes("sparse_categorical_crossentropy", classes, y_pred[..., 0])
    x = y_pred if from_logits else logits_of("softmax", y_pred)
    if x is None:
        found = _log_probabilities(y_pred, False).gather(-1, classes.long().unsqueeze(-1))
        return -found.squeeze(-1)
    rows, numbers = x.reshape(-1, x.shape[-1]).contiguous(), classes.reshape(-1).long()
    loss = softmax_cross_entropy(rows, numbers, None, ignore_index=-1, reduction="none")
    if not from_logits:
        loss = loss.clamp(-HIGHEST, -LOWEST)
    return loss.reshape(classes.shape)


def _log_probabilities(y_pred: Tensor, from_logits: bool) -> Tensor:
    if from_logits:
        return ops.log_softmax(y_pred, -1)
    x = logits_of("softmax", y_pred)
    if x is not None:
        return ops.log_softmax(x, -1).clamp(LOWEST, HIGHEST)
    return (y_pred / y_pred.sum(-1, keepdim=True)).clamp(EPSILON, MOST).log()


def _check_shapes(name: str, y_true: Tensor, y_pred: Tensor) -> None:
    if y_true.shape != y_pred.shape:
        hint = ""
        if name == "categorical_crossentropy" and y_true.ndim < y_pred.ndim:
            hint = "; for classes as integers there is sparse_categorical_crossentropy"
        raise ValueError(
            f"{name}: y_true has shape {tuple(y_true.shape)}, expected {tuple(y_pred.shape)}{hint}"
        )


MEANS = {"sum_over_batch_size": "mean", "mean": "mean", "sum": "sum", "none": "none", None: "none"}


class Loss(Configured):
    """A number for y_true, y_pred: `call` gives one for each sample, which are then reduced.

    `reduction` is "sum_over_batch_size" (the mean), "sum" or None. With sample weights each number
    is multiplied by its own; the mean still divides by how many there are.
    """

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size"
    ) -> None:
        self.name, self.reduction = name, MEANS.get(reduction, str(reduction))
        choose("reduction", self.reduction, REDUCTIONS)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} defines no call()")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        y_true, y_pred = ops.as_tensor(y_true), ops.as_tensor(y_pred)
        values = self.call(y_true, y_pred)
        if sample_weight is not None:
            values = values * weights_like(ops.as_tensor(sample_weight), values)
        result: Tensor = REDUCTIONS[self.reduction](values)
        return result


def weights_like(weight: Tensor, values: Tensor) -> Tensor:
    """Weights of samples in a shape and type that broadcasts with one value for each."""
    weight = weight.to(values.dtype)
    while weight.ndim > values.ndim and weight.shape[-1] == 1:
        weight = weight.squeeze(-1)
    return weight.reshape(*weight.shape, *[1] * (values.ndim - weight.ndim))


class LossFunction(Loss):
    """A function of (y_true, y_pred), with its options."""

    def __init__(
        self,
        fn: Callable[..., Tensor],
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        **options: Any,
    ) -> None:
        super().__init__(name or fn.__name__, reduction)
        self.fn, self.options = fn, options

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.fn(y_true, y_pred, **self.options)


def _loss(class_name: str, function: Callable[..., Tensor]) -> type[LossFunction]:
    """The class of a function: its arguments are the function's options."""

    def __init__(
        self: LossFunction,
        *,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        **options: Any,
    ) -> None:
        LossFunction.__init__(self, function, name, reduction, **options)

    return type(class_name, (LossFunction,), {"__init__": __init__, "__doc__": function.__doc__})


MeanSquaredError = _loss("MeanSquaredError", mean_squared_error)
MeanAbsoluteError = _loss("MeanAbsoluteError", mean_absolute_error)
Huber = _loss("Huber", huber)
Hinge = _loss("Hinge", hinge)
SquaredHinge = _loss("SquaredHinge", squared_hinge)
LogCosh = _loss("LogCosh", log_cosh)
Poisson = _loss("Poisson", poisson)
KLDivergence = _loss("KLDivergence", kl_divergence)
BinaryCrossentropy = _loss("BinaryCrossentropy", binary_crossentropy)
CategoricalCrossentropy = _loss("CategoricalCrossentropy", categorical_crossentropy)
SparseCategoricalCrossentropy = _loss(
    "SparseCategoricalCrossentropy", sparse_categorical_crossentropy
)

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    **{
        function.__name__: function
        for function in (
            *(mean_squared_error, mean_absolute_error, huber, hinge, squared_hinge, log_cosh),
            *(poisson, kl_divergence, binary_crossentropy, categorical_crossentropy),
            sparse_categorical_crossentropy,
        )
    },
    "mse": mean_squared_error,
    "mae": mean_absolute_error,
    "logcosh": log_cosh,
    "kld": kl_divergence,
    "bce": binary_crossentropy,
}


def get(identifier: Any) -> Loss:
    """The loss of a name, or made of a function of (y_true, y_pred)."""
    found = by_name("loss", identifier, FUNCTIONS)
    if isinstance(found, Loss):
        return found
    if not callable(found):
        raise TypeError(f"loss: expected a name, a function or a Loss, got {identifier!r}")
    return LossFunction(found)
