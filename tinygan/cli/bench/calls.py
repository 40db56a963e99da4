"""The calls that are timed: those that small programs make of every registered operation.

A program is run forwards and backwards, and of each operation that it uses the call with the most
numbers is kept: so the operations that only derivatives use are there too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import tinygan as tg
from tinygan.autograd import REGISTRY, Primitive
from tinygan.autograd.gradients import Gradients
from tinygan.autograd.trace import Trace
from tinygan.nn import functional as F

RANKS = ("mean_over_ranks", "moments_over_ranks", "sync_batch_norm")
UNTIMED = {"copy_to": "needs two devices", **dict.fromkeys(RANKS, "needs several processes")}
SIZES = {  # of images: N, C, H = W
    "tiny": (2, 8, 4),
    "small": (8, 16, 8),
    "medium": (64, 32, 16),
    "large": (64, 64, 64),
}


class Kept(NamedTuple):
    """A call of an operation."""

    op: Primitive
    arrays: list[Any]
    static: dict[str, Any]
    result: Any

    @property
    def flops(self) -> float:
        """Multiplications and additions of products; 0 for what memory limits."""
        shapes = [a.shape for a in self.arrays if isinstance(a, np.ndarray)]
        if self.op.name in ("matmul", "linear"):
            return 2.0 * self.result.size * shapes[0][-1]
        if self.op.name in ("conv2d", "conv2d_input_grad"):
            pixels = self.result if self.op.name == "conv2d" else self.arrays[0]
            return 2.0 * pixels.size * self.arrays[1].size / pixels.shape[1]
        if self.op.name == "conv2d_weight_grad":
            return 2.0 * self.arrays[1].size * self.result.size / self.result.shape[0]
        return 0.0

    @property
    def nbytes(self) -> int:
        """Of the arrays that are read and written, each once."""
        given = [a for a in (*self.arrays, self.result) if isinstance(a, np.ndarray)]
        return sum({id(a): a.nbytes for a in given}.values())

    @property
    def numbers(self) -> int:
        """In the largest of the arrays."""
        return max(a.size for a in (*self.arrays, self.result) if isinstance(a, np.ndarray))

    @property
    def shape(self) -> str:
        return " ".join(
            "x".join(map(str, np.shape(a))) or "0-d" for a in self.arrays if a is not None
        )


class _Keeper(Trace):
    """A trace that keeps the largest call of every operation."""

    reads = True

    def __init__(self) -> None:
        super().__init__(Gradients())
        self.kept: dict[str, Kept] = {}

    def computed(
        self, op: Primitive, arrays: Sequence[Any], static: dict[str, Any], y: Any
    ) -> None:
        call = Kept(op, list(arrays), dict(static), y)
        known = self.kept.get(op.name)
        if known is None or call.nbytes > known.nbytes:
            self.kept[op.name] = call

    def performed(self, *_: Any) -> None:
        """Changes in place are no operations."""


def calls(size: str) -> dict[str, Kept]:
    """A call of every operation, by name."""
    keeper = _Keeper()
    programs = _programs(*SIZES[size])
    with keeper:
        for program in programs:
            result = program()
            if isinstance(result, tg.Tensor) and result.requires_grad:
                result.sum().backward(retain_graph=True)
    return keeper.kept


def _programs(n: int, c: int, h: int) -> list[Callable[[], Any]]:
    """Programs that use all operations on images (n, c, h, h) and what belongs to them."""
    random = np.random.default_rng(0)

    def images() -> tg.Tensor:
        pixels = random.standard_normal((n, h, h, c)).astype(np.float32)
        return tg.tensor(pixels).permute(0, 3, 1, 2).requires_grad_()

    x, other = images(), images()
    positive = (x.detach().abs() + 0.5).requires_grad_()
    inside = (x.detach() * 0.1).sigmoid().requires_grad_()
    flags = x.detach() > 0
    rows = tg.randn(n, c * h, requires_grad=True)
    weight = tg.randn(c * h, c * h, requires_grad=True)
    bias = tg.randn(c * h, requires_grad=True)
    filters = tg.randn(2 * c, c, 4, 4, requires_grad=True)
    table = tg.randn(100, c, requires_grad=True)
    words = tg.randint(0, 100, (n * h,))
    labels = tg.randint(0, c * h, (n,))
    column = labels[:, None]
    mean, var = tg.zeros(c), tg.ones(c)
    scale, shift = tg.ones(c, requires_grad=True), tg.zeros(c, requires_grad=True)
    chosen = tg.randint(0, n, (n,))
    whole = tg.randint(0, 9, (n, c, h, h))
    unary = [
        "isnan", "isinf", "isfinite", "neg", "abs", "sign", "exp", "expm1", "square", "sin", "cos",
        "asin", "acos", "atan",
        "tanh", "floor", "ceil", "trunc", "round", "erf", "sigmoid", "relu", "logical_not",
    ]  # fmt: skip
    of_positive = ["log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal"]
    binary = [
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "isclose",
        "add",
        "sub",
        "mul",
        "maximum",
        "minimum",
        "atan2",
    ]

    def made(op: str, *arguments: Any, **static: Any) -> Callable[[], Any]:
        return lambda: getattr(tg, op)(*arguments, **static)

    def in_place() -> Any:
        y = x.detach().clone()
        with tg.no_grad():
            y.fill_(1.0)
            y.copy_(other)
            y[0] = 2.0
            y.view(n, -1)[flags.view(n, -1)] = 0.0 if n < 16 else 1.0

    def indexed() -> Any:
        y = rows * 1
        y[:, 1:] = rows[:, 1:] * 2
        z = rows * 1
        z[chosen] = rows[chosen]
        return y.sum() + z.sum()

    def normalised() -> Any:
        y = F.batch_norm(x, mean, var, scale, shift, training=True)
        y = y + F.batch_norm(x, mean, var, scale, shift)
        return y + F.group_norm(x, 4, scale, shift) + F.instance_norm(x)

    def twice(y: tg.Tensor, x: tg.Tensor) -> Any:
        """What is differentiated to differentiate y twice."""
        (g,) = tg.autograd.grad(y.square().sum(), x, create_graph=True)
        assert g is not None
        return g.square().sum()

    def spectral() -> Any:
        layer = tg.nn.utils.spectral_norm(tg.nn.Linear(c * h, c * h))
        return layer(rows)

    return [
        *[made(op, x) for op in unary],
        *[made(op, positive) for op in of_positive],
        *[made(op, x, other) for op in binary],
        *[made(f"logical_{op}", flags, flags) for op in ("and", "or", "xor")],
        *[made(f"bitwise_{op}", flags, flags) for op in ("and", "or", "xor")],
        made("bitwise_not", flags),
        lambda: x / positive + positive**x + x // positive + x % positive,
        lambda: x.clamp(min=-1) + x.clamp(max=1) + F.hardtanh(x) + F.softplus(x),
        lambda: F.elu(x) + F.selu(x) + F.silu(x) + F.gelu(x) + F.gelu(x, "tanh"),
        lambda: F.logsigmoid(x) + F.prelu(x, scale),
        lambda: F.leaky_relu(x, 0.2) + tg.where(flags, x, other) + x.masked_fill(flags, 1.0),
        lambda: F.smooth_l1_loss(x, other) + x.abs() + x.square(),
        lambda: F.binary_cross_entropy(inside, inside.detach()),
        lambda: F.binary_cross_entropy_with_logits(x, inside.detach()),
        lambda: F.cross_entropy(rows, labels) + F.softmax(rows, 1).sum(),
        lambda: F.log_softmax(rows, 1) + tg.logsumexp(rows, 1, True) + rows.norm(2, 1, True),
        lambda: x.double(), lambda: x.contiguous() + x.clone(),
        in_place, indexed, normalised, spectral,
        lambda: F.conv2d(x, filters, None, 2, 1),
        lambda: F.conv_transpose2d(F.conv2d(x, filters, None, 2, 1), filters, None, 2, 1),
        lambda: F.unfold(x, 3, padding=1),
        lambda: F.fold(F.unfold(x, 2, stride=2), (h, h), 2, stride=2),
        lambda: F.linear(rows, weight, bias) + rows @ weight,
        made("rand", n, c, h, h), made("randn", n, c, h, h), made("randint", 9, (n, c, h, h)),
        made("randperm", n * h), made("multinomial", positive.detach().view(n, -1)[:, :50], 9),
        lambda: F.dropout(x, 0.5), lambda: F.dropout2d(x, 0.5),
        lambda: x.flip(3) + x.roll(1, 2) + x.tril() + x.triu() + x.expand(2, n, c, h, h)[0],
        lambda: x.diagonal(0, 2, 3),
        lambda: x.sum((0, 2, 3)) + x.mean((0, 2, 3)), made("cumsum", rows, 1),
        made("any", flags, 1), made("all", flags, 1), made("count_nonzero", x),
        lambda: x.amax(1) + x.amin(1), made("argmax", x, 1), made("argmin", x, 1),
        lambda: tg.cat([x, other], 1),
        lambda: rows.gather(1, column) + rows.scatter(1, column, rows[:, :1]).sum(),
        made("argsort", rows, 1),
        lambda: F.embedding(words, table), lambda: F.one_hot(labels),
        lambda: twice(F.embedding(words, table), table),
        lambda: twice(F.max_pool2d(x, 2), x), lambda: F.max_pool2d(x, 2, return_indices=True)[0],
        lambda: F.pad(x, (1, 1, 1, 1)), lambda: F.pad(x, (1, 1, 1, 1), "reflect"),
        lambda: F.interpolate(x, scale_factor=2.0, mode="bilinear"),
        lambda: F.interpolate(x, scale_factor=2.0),
        lambda: F.max_pool2d(x, 2), lambda: F.avg_pool2d(x, 2),
        lambda: F.adaptive_max_pool2d(x, 3), lambda: F.adaptive_avg_pool2d(x, 3),
        lambda: x.index_select(0, chosen) + x[chosen], lambda: whole.float(),
    ]  # fmt: skip


def missing() -> list[str]:
    """Registered operations that no program uses."""
    return sorted(set(REGISTRY) - set(calls("small")) - set(UNTIMED))
