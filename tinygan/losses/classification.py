"""Losses between a distribution and the one that was predicted."""

from __future__ import annotations

from tinygan.autograd import Tensor, primitive
from tinygan.backend.errors import choose
from tinygan.losses.reduction import REDUCTIONS, reduce, same_shape, takes_old_names
from tinygan.losses.softmax import softmax_cross_entropy
from tinygan.ops import log_softmax, logsigmoid, sigmoid, where

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "kl_div",
    "nll_loss",
]


@primitive(elementwise=True, real=True)
def bernoulli_cross_entropy(xp, p, t):
    """-(t log p + (1 - t) log(1 - p)), elementwise, each logarithm at least -100."""
    log_p = xp.maximum(xp.log(p), -100)
    log_not_p = xp.maximum(xp.log1p(-p), -100)
    return (t - 1) * log_not_p - t * log_p


# PyTorch's derivative: it is bounded where p is 0 or 1, but not 0 as that of a clamped value
@primitive(elementwise=True, real=True)
def bernoulli_cross_entropy_grad(xp, g, p, t):
    """g (p - t) / max(p (1 - p), 1e-12)."""
    return g * (p - t) / xp.maximum(p * (1 - p), 1e-12)


def _second_derivative(v: Tensor, g: Tensor, p: Tensor, t: Tensor | float) -> Tensor:
    variance = p * (1 - p)
    slope = where(variance > 1e-12, (p - t) * (1 - p * 2), 0.0)
    variance = variance.clamp(min=1e-12)
    return v * g * (1 - slope / variance) / variance


bernoulli_cross_entropy.vjp(
    p=lambda g, p, t: bernoulli_cross_entropy_grad(g, p, t),
    t=lambda g, p: g * ((-p).log1p().clamp(min=-100) - p.log().clamp(min=-100)),
)
bernoulli_cross_entropy_grad.vjp(
    g=lambda v, p, t: bernoulli_cross_entropy_grad(v, p, t),
    p=_second_derivative,
    t=lambda v, g, p: -(v * g) / (p * (1 - p)).clamp(min=1e-12),
)


@primitive(elementwise=True, real=True)
def logistic_loss(xp, x, t):
    """(1 - t) log(1 + exp(x)) + t log(1 + exp(-x)), elementwise, for logits x."""
    tail = xp.log1p(xp.exp(-xp.abs(x)))
    return (1 - t) * (xp.maximum(x, 0) + tail) + t * (xp.maximum(-x, 0) + tail)


@primitive(elementwise=True, real=True)
def logistic_loss_grad(xp, g, x, t):
    """g ((1 - t) sigmoid(x) - t sigmoid(-x)): sigmoid(x) - t without cancellation."""
    return g * ((1 - t) / (1 + xp.exp(-x)) - t / (1 + xp.exp(x)))


logistic_loss.vjp(
    x=lambda g, x, t: logistic_loss_grad(g, x, t),
    t=lambda g, x: -(g * x),
)
logistic_loss_grad.vjp(
    g=lambda v, x, t: logistic_loss_grad(v, x, t),
    x=lambda v, g, x: v * g * (sigmoid(x) * sigmoid(-x)),
    t=lambda v, g: -(v * g),
)
for _op in (
    *(bernoulli_cross_entropy, bernoulli_cross_entropy_grad),
    *(logistic_loss, logistic_loss_grad),
):
    _op.kernel("cpu", f"tinygan.backend.cpu.losses:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.activations:{_op.name}")


@takes_old_names
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """-w (t log p + (1 - t) log(1 - p)), elementwise, then reduced; p = input in [0, 1].

    The logarithms are cut off at -100, so that p = 0 and p = 1 give a finite loss; the loss of a p
    outside of [0, 1] is nan. On logits use `binary_cross_entropy_with_logits`, which is exact.
    """
    same_shape("binary_cross_entropy", input, target)
    loss = bernoulli_cross_entropy(input, target)
    return reduce(loss if weight is None else loss * weight, reduction)


@takes_old_names
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """-w (p_w t log sigmoid(x) + (1 - t) log sigmoid(-x)), elementwise, then reduced.

    Without overflow, and without cancellation: both tails keep their relative precision.
    """
    same_shape("binary_cross_entropy_with_logits", input, target)
    if pos_weight is None:
        loss = logistic_loss(input, target)
    else:
        loss = (target - 1) * logsigmoid(-input) - target * pos_weight * logsigmoid(input)
    return reduce(loss if weight is None else loss * weight, reduction)


@takes_old_names
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-sum_c t[c] w[c] log softmax(x)[c] for logits x [N, C, d1, ...], then reduced.

    The target is either a class per position [N, d1, ...], integers, or a distribution of x's
    shape, floats. Label smoothing mixes it with the uniform distribution: (1 - s) t + s / C. The
    mean over classes is the weighted one, sum w[t] (...) / sum w[t], without ignored positions;
    that over distributions divides by the number of positions. Without N: x [C], target [] or [C].
    """
    choose("reduction", reduction, REDUCTIONS)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"cross_entropy: label_smoothing is {label_smoothing}, not in [0, 1]")
    if input.ndim == 0:
        raise RuntimeError("cross_entropy: the input has no class dimension, expected [N, C, ...]")
    dim = 0 if input.ndim == 1 else 1
    classes = input.shape[dim]
    if target.shape == input.shape:
        if not target.is_floating_point():
            raise TypeError(
                "cross_entropy: a target of the input's shape is a distribution over the classes "
                f"and must be floating-point, got {target.dtype}"
            )
        if label_smoothing:
            target = target * (1 - label_smoothing) + label_smoothing / classes
        scores = log_softmax(input, dim)
        loss = -(scores * target * _along(weight, dim, input)).sum(dim)
        if reduction == "mean":
            return loss.sum() / loss.numel()  # of nothing: NaN
        return reduce(loss, reduction)
    _check_classes("cross_entropy", input, target, weight)
    learned = weight is not None and weight.requires_grad
    if input.numel() and input.is_floating_point() and not learned:
        loss = softmax_cross_entropy(
            input.movedim(dim, -1).reshape(-1, classes).contiguous(),
            target.reshape(-1).long(),
            weight,
            ignore_index=ignore_index,
            reduction=reduction,
            smoothing=label_smoothing,
        )
        return loss.reshape(target.shape) if reduction == "none" else loss
    scores = log_softmax(input, dim)
    loss, share, valid = _pick(scores, target, weight, ignore_index)
    if label_smoothing:
        spread = -(scores * _along(weight, dim, input)).sum(dim)
        spread = where(valid, spread, 0.0)
        loss = loss * (1 - label_smoothing) + spread * (label_smoothing / classes)
    return _weighted(loss, share, reduction)


@takes_old_names
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-w[t] x[t] for log-probabilities x [N, C, d1, ...] and classes t [N, d1, ...], then reduced.

    The mean is sum w[t] (...) / sum w[t], without the positions where t is `ignore_index`.
    """
    choose("reduction", reduction, REDUCTIONS)
    _check_classes("nll_loss", input, target, weight)
    loss, share, _ = _pick(input, target, weight, ignore_index)
    return _weighted(loss, share, reduction)


@takes_old_names
def kl_div(
    input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """t (log t - x), elementwise, then reduced; x are log-probabilities.

    With `log_target` the target is log t. The divergence of distributions in the rows of a batch
    is reduction='batchmean', sum / N; 'mean' divides by the number of elements.
    """
    if log_target:
        loss = target.exp() * (target - input)
    else:
        positive = target > 0
        loss = where(positive, target * where(positive, target, 1.0).log(), 0.0) - target * input
    known = {**REDUCTIONS, "batchmean": lambda loss: loss.sum() / (loss.shape or (1,))[0]}
    result: Tensor = choose("reduction", reduction, known)(loss)
    return result


def _check_classes(name: str, scores: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Whether the target holds a class for each position, and the weight a number for each."""
    if target.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: the target holds classes and must be of an integer type, got {target.dtype}; "
            "use target.long(), or for a distribution over the classes a target of the input's "
            f"shape {tuple(scores.shape)}"
        )
    dim = 0 if scores.ndim == 1 else 1
    expected = (*scores.shape[:dim], *scores.shape[dim + 1 :])
    if target.shape != expected:
        raise ValueError(
            f"{name}: the target has shape {tuple(target.shape)}; an input of shape "
            f"{tuple(scores.shape)} expects one class for each of {expected}"
        )
    if weight is not None and weight.shape != (scores.shape[dim],):
        raise RuntimeError(
            f"{name}: the weight has shape {tuple(weight.shape)}, expected one number for each "
            f"of the {scores.shape[dim]} classes"
        )


def _pick(
    scores: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
) -> tuple[Tensor, Tensor, Tensor]:
    """-w[t] x[t] per position, the weight of each position, and which are not ignored."""
    dim = 0 if scores.ndim == 1 else 1
    valid = target != ignore_index
    index = where(valid, target, 0)
    share = valid.to(scores.dtype)
    if weight is not None:
        share = share * weight[index]
    picked = scores.gather(dim, index.unsqueeze(dim)).squeeze(dim)
    return where(valid, -picked * share, 0.0), share, valid


def _weighted(loss: Tensor, share: Tensor, reduction: str) -> Tensor:
    return loss.sum() / share.sum() if reduction == "mean" else reduce(loss, reduction)


def _along(weight: Tensor | None, dim: int, x: Tensor) -> Tensor | float:
    """The classes' weights in a shape that broadcasts along the class dimension."""
    if weight is None:
        return 1.0
    return weight.reshape([-1 if d == dim else 1 for d in range(x.ndim)])
