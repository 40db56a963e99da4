"""Losses against PyTorch: values and gradients over options, shapes and types."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from tinygan import losses, nn
from tinygan.autograd import grad, wrap
from tinygan.ops import from_numpy

torch = pytest.importorskip("torch")
F = torch.nn.functional

REDUCTIONS = ("none", "sum", "mean")


def compare(name, arrays, varied, dtype=np.float64, **options):
    """The loss, its gradient by the `varied` arrays, and a derivative of that, in both."""
    rtol, atol = (1e-10, 1e-12) if dtype == np.float64 else (2e-5, 2e-6)
    random = np.random.default_rng(7)
    arrays = [
        a if a is None else np.array(a, dtype if a.dtype.kind == "f" else None) for a in arrays
    ]
    ours, theirs = [], []
    for i, a in enumerate(arrays):
        ours.append(None if a is None else from_numpy(a).requires_grad_(i in varied))
        theirs.append(None if a is None else torch.from_numpy(a).requires_grad_(i in varied))
    extra = {k: v.astype(dtype) for k, v in options.items() if isinstance(v, np.ndarray)}
    y = getattr(losses, name)(*ours, **{**options, **{k: wrap(v) for k, v in extra.items()}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of kl_div's mean, and of targets that broadcast
        z = getattr(F, name)(
            *theirs, **{**options, **{k: torch.from_numpy(v) for k, v in extra.items()}}
        )

    def check(a, b, slack=1):
        assert tuple(a.shape) == tuple(b.shape)
        b = b.detach().numpy(force=True)
        assert a.dtype == b.dtype
        np.testing.assert_allclose(
            a.detach().numpy(),
            b,
            rtol=rtol * slack,
            atol=atol * slack,
            equal_nan=True,
        )

    check(y, z)
    xs, ts = [ours[i] for i in varied], [theirs[i] for i in varied]
    u = np.array(random.standard_normal(y.shape), dtype)
    first = grad(y, xs, wrap(u), create_graph=True)
    expected = torch.autograd.grad(z, ts, torch.from_numpy(u), create_graph=True)
    for a, b in zip(first, expected, strict=True):
        check(a, b)
    vs = [np.array(random.standard_normal(x.shape), dtype) for x in xs]
    total = sum((g * wrap(v)).sum() for g, v in zip(first, vs, strict=True))
    other = sum((g * torch.from_numpy(v)).sum() for g, v in zip(expected, vs, strict=True))
    if not other.requires_grad:
        return
    second = grad(total, xs, allow_unused=True) if total.requires_grad else [None] * len(xs)
    for a, b, x in zip(second, torch.autograd.grad(other, ts, allow_unused=True), xs, strict=True):
        a = wrap(np.zeros(x.shape, dtype)) if a is None else a
        b = torch.zeros(tuple(x.shape), dtype=other.dtype) if b is None else b
        check(a, b, slack=100)  # PyTorch keeps binary cross-entropy off 0 by an epsilon


def numbers(*shape, seed=0):
    return np.asarray(np.random.default_rng(seed).standard_normal(shape))


def probabilities(*shape, seed=0):
    return np.asarray(np.random.default_rng(seed).uniform(0.01, 0.99, shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mse_loss", {}),
        ("l1_loss", {}),
        ("smooth_l1_loss", {}),
        ("smooth_l1_loss", {"beta": 0.3}),
        ("smooth_l1_loss", {"beta": 0.0}),
        ("huber_loss", {}),
        ("huber_loss", {"delta": 0.3}),
        ("huber_loss", {"delta": 2.5}),
    ],
)
def test_regression(name, options, reduction, dtype):
    for shape in ((), (5,), (3, 4), (2, 3, 4, 2)):
        compare(
            name,
            (numbers(*shape), numbers(*shape, seed=1)),
            (0, 1),
            dtype,
            reduction=reduction,
            **options,
        )


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_regression_at_equality(name):
    x = numbers(3, 4)
    compare(name, (x, x.copy()), (0,), reduction="sum")


@pytest.mark.parametrize("name", ["smooth_l1_loss", "huber_loss"])
def test_regression_at_the_joints(name):
    x = np.array([-1.0, 0.0, 1.0])
    ours, theirs = wrap(x).requires_grad_(), torch.from_numpy(x).requires_grad_()
    zeros = np.zeros(3)
    (a,) = grad(getattr(losses, name)(ours, wrap(zeros), reduction="sum"), ours)
    getattr(F, name)(theirs, torch.from_numpy(zeros), reduction="sum").backward()
    np.testing.assert_allclose(a.numpy(), theirs.grad.numpy())


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_regression_that_broadcasts(name):
    with pytest.warns(UserWarning, match="broadcast"):
        compare(name, (numbers(4, 1), numbers(3, seed=1)), (0, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_binary(reduction, weighted, dtype):
    for shape in ((), (5,), (3, 4), (2, 1, 4, 4)):
        weight = probabilities(*shape, seed=2) if weighted else None
        t = probabilities(*shape, seed=1)
        compare(
            "binary_cross_entropy",
            (probabilities(*shape), t, weight),
            (0, 1),
            dtype,
            reduction=reduction,
        )
        compare(
            "binary_cross_entropy_with_logits",
            (numbers(*shape), t, weight),
            (0, 1),
            dtype,
            reduction=reduction,
        )
        compare(
            "binary_cross_entropy_with_logits",
            (numbers(*shape) * 5, np.round(t), weight),
            (0,),
            dtype,
            reduction=reduction,
            pos_weight=np.full(shape[-1:], 2.5),
        )


def test_binary_at_certainty():
    """The value is cut off at 100, and the first derivative at 1e12."""
    p, t = np.array([0.0, 1.0, 0.0, 1.0, 0.5, 1e-20]), np.array([1.0, 0.0, 0.0, 1.0, 0.3, 1.0])
    ours, theirs = wrap(p).requires_grad_(), torch.from_numpy(p).requires_grad_()
    y = losses.binary_cross_entropy(ours, wrap(t), reduction="none")
    z = F.binary_cross_entropy(theirs, torch.from_numpy(t), reduction="none")
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy())
    (a,) = grad(y.sum(), ours)
    (b,) = torch.autograd.grad(z.sum(), theirs)
    np.testing.assert_allclose(a.numpy(), b.numpy())


SHAPES = [((4, 3), (4,)), ((3,), ()), ((2, 3, 4), (2, 4)), ((2, 5, 3, 2), (2, 3, 2))]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "target_shape"), SHAPES)
def test_classes(shape, target_shape, reduction, dtype):
    classes = shape[0] if len(shape) == 1 else shape[1]
    for weighted, ignore, smoothing in itertools.product((False, True), (-100, 1), (0.0, 0.2)):
        t = np.random.default_rng(1).integers(0, classes, target_shape)
        if t.size > 1:
            t.flat[0] = ignore
        weight = probabilities(classes, seed=2) if weighted else None
        options = {"reduction": reduction, "ignore_index": ignore}
        compare(
            "cross_entropy",
            (numbers(*shape), t, weight),
            (0,),
            dtype,
            label_smoothing=smoothing,
            **options,
        )
        compare("nll_loss", (numbers(*shape), t, weight), (0,), dtype, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [s for s, _ in SHAPES])
def test_distributions(shape, reduction, dtype):
    axis = 0 if len(shape) == 1 else 1
    t = probabilities(*shape, seed=1)
    t /= t.sum(axis, keepdims=True)
    for weighted, smoothing in itertools.product((False, True), (0.0, 0.2)):
        weight = probabilities(shape[axis], seed=2) if weighted else None
        compare(
            "cross_entropy",
            (numbers(*shape), t, weight),
            (0, 1),
            dtype,
            reduction=reduction,
            label_smoothing=smoothing,
        )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 2), (2, 3, 0)])
def test_distributions_of_an_empty_batch(shape, reduction):
    compare("cross_entropy", (numbers(*shape), probabilities(*shape)), (0, 1), reduction=reduction)


def test_everything_ignored_is_nan():
    t = np.full(4, -100)
    for reduction in REDUCTIONS:
        compare("cross_entropy", (numbers(4, 3), t), (0,), reduction=reduction)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_divergence(reduction, log_target, dtype):
    for shape in ((5,), (4, 3), (2, 3, 2)):
        t = numbers(*shape, seed=1) if log_target else probabilities(*shape, seed=1)
        compare(
            "kl_div",
            (numbers(*shape), t),
            (0, 1),
            dtype,
            reduction=reduction,
            log_target=log_target,
        )


def test_divergence_with_a_probability_of_0():
    t = probabilities(4, 3)
    t[0, 0] = t[2, 1] = 0
    compare("kl_div", (numbers(4, 3), t), (0,), reduction="sum")


# what PyTorch refuses, and what it warns of
MISUSES = [
    ("binary_cross_entropy", (probabilities(4, 1), probabilities(4)), {}),
    ("binary_cross_entropy_with_logits", (numbers(4, 1), probabilities(4)), {}),
    ("cross_entropy", (numbers(4, 3), np.zeros(5, int)), {}),
    ("cross_entropy", (numbers(4, 3), np.zeros((4, 1), int)), {}),
    ("cross_entropy", (numbers(4, 3), np.zeros(4)), {}),
    ("cross_entropy", (numbers(4, 3), np.zeros((4, 3), int)), {}),
    ("cross_entropy", (numbers(4, 3), np.full(4, 3)), {}),
    ("cross_entropy", (numbers(4, 3), np.full(4, -1)), {}),
    ("cross_entropy", (numbers(4, 3), np.zeros(4, int), np.ones(2)), {}),
    ("nll_loss", (numbers(4, 3), np.zeros(5, int)), {}),
    ("nll_loss", (numbers(4, 3), np.full(4, 3)), {}),
    ("smooth_l1_loss", (numbers(3), numbers(3)), {"beta": -1.0}),
    ("huber_loss", (numbers(3), numbers(3)), {"delta": 0.0}),
    ("mse_loss", (numbers(3), numbers(3)), {"reduction": "men"}),
    ("mse_loss", (numbers(3), numbers(4)), {}),
]


@pytest.mark.filterwarnings("ignore:.*target size")
@pytest.mark.filterwarnings("ignore:.*rarely meant")
@pytest.mark.parametrize(("name", "arrays", "options"), MISUSES)
def test_both_refuse_the_same_misuse(name, arrays, options):
    with pytest.raises((ValueError, RuntimeError, IndexError)):
        getattr(F, name)(*(torch.from_numpy(a) for a in arrays), **options)
    with pytest.raises((ValueError, RuntimeError, IndexError, TypeError)):
        getattr(losses, name)(*(wrap(a) for a in arrays), **options)


OLD = [
    {"size_average": False},
    {"size_average": True},
    {"reduce": False},
    {"reduce": True, "size_average": False},
    {"reduce": False, "size_average": False},
    {"reduce": True, "reduction": "sum"},
]


@pytest.mark.parametrize("old", OLD, ids=str)
@pytest.mark.parametrize(
    ("function", "layer"),
    [
        ("mse_loss", "MSELoss"),
        ("l1_loss", "L1Loss"),
        ("smooth_l1_loss", "SmoothL1Loss"),
        ("binary_cross_entropy", "BCELoss"),
        ("binary_cross_entropy_with_logits", "BCEWithLogitsLoss"),
        ("kl_div", "KLDivLoss"),
        ("cross_entropy", "CrossEntropyLoss"),
        ("nll_loss", "NLLLoss"),
    ],
)
def test_old_names_of_the_reduction(function, layer, old):
    random = np.random.default_rng(0)
    x, t = random.uniform(0.1, 0.9, (2, 4, 3))
    t = random.integers(0, 3, 4) if function in ("cross_entropy", "nll_loss") else t
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = getattr(F, function)(torch.from_numpy(x), torch.from_numpy(t), **old).numpy()
    with pytest.warns(UserWarning, match="say reduction=") as seen:
        loss = getattr(losses, function)(wrap(x), wrap(t), **old)
        criterion = getattr(nn, layer)(**old)
    assert [warning.filename for warning in seen] == [__file__] * 2
    for ours in (loss, criterion(wrap(x), wrap(t))):
        assert ours.shape == reference.shape
        np.testing.assert_allclose(ours.numpy(), reference, rtol=1e-12)
