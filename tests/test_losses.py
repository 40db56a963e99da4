"""Losses of regression and classification against NumPy and closed forms."""

from __future__ import annotations

from math import inf, log

import numpy as np
import pytest

from tinygan import losses
from tinygan.autograd import grad, gradcheck, wrap

RANDOM = np.random.default_rng(0)


def leaf(values, dtype=np.float64):
    return wrap(np.array(values, dtype=dtype)).requires_grad_()


def softmax(x, axis=1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


REDUCE = {"none": lambda x: x, "sum": np.sum, "mean": np.mean}

FORMULAS = {
    "mse_loss": ({}, lambda x, t: (x - t) ** 2),
    "l1_loss": ({}, lambda x, t: np.abs(x - t)),
    "smooth_l1_loss": (
        {"beta": 0.5},
        lambda x, t: np.where(np.abs(x - t) < 0.5, (x - t) ** 2, np.abs(x - t) - 0.25),
    ),
    "huber_loss": (
        {"delta": 0.5},
        lambda x, t: np.where(np.abs(x - t) <= 0.5, (x - t) ** 2 / 2, 0.5 * (np.abs(x - t) - 0.25)),
    ),
    "binary_cross_entropy": ({}, lambda p, t: -t * np.log(p) - (1 - t) * np.log(1 - p)),
    "binary_cross_entropy_with_logits": (
        {},
        lambda x, t: t * np.log1p(np.exp(-x)) + (1 - t) * np.log1p(np.exp(x)),
    ),
    "kl_div": ({}, lambda x, t: t * (np.log(t) - x)),
}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("reduction", REDUCE)
def test_the_value_is_the_formula(name, reduction):
    x, t = RANDOM.uniform(0.05, 0.95, (2, 4, 5))
    options, formula = FORMULAS[name]
    loss = getattr(losses, name)(wrap(x), wrap(t), reduction=reduction, **options)
    np.testing.assert_allclose(loss.numpy(), REDUCE[reduction](formula(x, t)), rtol=1e-12)


@pytest.mark.parametrize("name", [*FORMULAS, "cross_entropy", "nll_loss"])
def test_an_unknown_reduction_is_answered_with_the_nearest(name):
    x = wrap(np.full((2, 3), 0.5))
    t = wrap(np.array([0, 1])) if name in ("cross_entropy", "nll_loss") else x
    with pytest.raises(ValueError, match="unknown reduction 'men'; did you mean 'mean'"):
        getattr(losses, name)(x, t, reduction="men")


@pytest.mark.parametrize(
    "name", [n for n in FORMULAS if n.startswith("binary")] + ["cross_entropy", "nll_loss"]
)
def test_a_target_of_another_shape_is_an_error(name):
    t = wrap(np.array([0, 1, 0, 1, 1])) if "binary" not in name else wrap(np.ones(4))
    with pytest.raises(ValueError, match=rf"{name}: the target has shape .* input"):
        getattr(losses, name)(wrap(np.full((4, 1), 0.5)), t)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_a_target_that_broadcasts_is_warned_of(name):
    with pytest.warns(UserWarning, match=rf"{name}: .*\(4,\), the input \(4, 1\)") as seen:
        loss = getattr(losses, name)(wrap(np.zeros((4, 1))), wrap(np.arange(4.0)))
    assert loss.shape == ()
    if name != "smooth_l1_loss":
        assert seen[0].filename == __file__


def test_parameters_out_of_range_are_errors():
    x = wrap(np.zeros(3))
    with pytest.raises(RuntimeError, match=r"beta is -1\.0"):
        losses.smooth_l1_loss(x, x, beta=-1.0)
    with pytest.raises(RuntimeError, match=r"delta is 0\.0"):
        losses.huber_loss(x, x, delta=0.0)
    with pytest.raises(RuntimeError, match=r"label_smoothing is 1\.5"):
        losses.cross_entropy(wrap(np.zeros((2, 3))), wrap(np.zeros(2, int)), label_smoothing=1.5)


def test_the_quadratic_part_has_its_curvature_also_at_0():
    x, t = leaf([0.0, 0.1]), wrap(np.array([0.0, 0.1]))
    for loss in (losses.smooth_l1_loss, losses.huber_loss):
        (first,) = grad(loss(x, t, reduction="sum"), x, create_graph=True)
        (second,) = grad(first.sum(), x)
        np.testing.assert_allclose(second.numpy(), [1.0, 1.0])


def test_smooth_l1_with_beta_0_is_l1():
    x, t = wrap(np.array([0.0, 2.0])), wrap(np.array([0.0, -1.0]))
    assert losses.smooth_l1_loss(x, t, beta=0.0).item() == 1.5


# -- binary -----------------------------------------------------------------------------------


def test_binary_cross_entropy_is_cut_off_at_certainty():
    p, t = leaf([0.0, 1.0, 0.0, 1.0, 1e-30]), wrap(np.array([1.0, 0.0, 0.0, 1.0, 1.0]))
    loss = losses.binary_cross_entropy(p, t, reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), [100, 100, 0, 0, 30 * log(10)])
    (slope,) = grad(loss.sum(), p)
    np.testing.assert_allclose(slope.numpy(), [-1e12, 1e12, 0, 0, -1e12])


def test_binary_cross_entropy_outside_of_probabilities_is_nan():
    p = wrap(np.array([-0.1, 1.1]))
    assert np.isnan(losses.binary_cross_entropy(p, p, reduction="none").numpy()).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_with_logits_at_logits_of_a_thousand(dtype):
    x, t = leaf([1000, -1000, 1000, -1000], dtype), wrap(np.array([1, 0, 0, 1], dtype))
    loss = losses.binary_cross_entropy_with_logits(x, t, reduction="none")
    np.testing.assert_array_equal(loss.detach().numpy(), [0, 0, 1000, 1000])
    (slope,) = grad(loss.sum(), x, create_graph=True)
    np.testing.assert_array_equal(slope.detach().numpy(), [0, 0, 1, -1])
    (curvature,) = grad(slope.sum(), x)
    np.testing.assert_array_equal(curvature.numpy(), [0, 0, 0, 0])


def test_binary_cross_entropy_with_logits_keeps_small_losses():
    x, t = leaf([40.0, -40.0], np.float32), wrap(np.array([1.0, 0.0], np.float32))
    loss = losses.binary_cross_entropy_with_logits(x, t, reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), np.exp(-40.0), rtol=1e-6)
    (slope,) = grad(loss.sum(), x)
    np.testing.assert_allclose(slope.numpy(), [-np.exp(-40.0), np.exp(-40.0)], rtol=1e-6)


def test_weights_of_elements_and_of_positives():
    x, t, w = RANDOM.standard_normal((3, 4, 5))
    t, p = (t > 0) * 1.0, RANDOM.uniform(1, 3, 5)
    plain = p * t * np.log1p(np.exp(-x)) + (1 - t) * np.log1p(np.exp(x))
    loss = losses.binary_cross_entropy_with_logits(wrap(x), wrap(t), wrap(w), pos_weight=wrap(p))
    assert loss.item() == pytest.approx((w * plain).mean(), rel=1e-12)


# -- classes ----------------------------------------------------------------------------------


def test_cross_entropy_of_equal_logits_is_log_c():
    x, t = wrap(np.full((4, 7), 3.0)), wrap(np.arange(4))
    assert losses.cross_entropy(x, t).item() == pytest.approx(log(7), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_derivative_is_softmax_minus_one_hot(dtype):
    x, t = RANDOM.standard_normal((4, 3)), np.array([0, 2, 1, 1])
    leaf_x = leaf(x, dtype)
    (slope,) = grad(losses.cross_entropy(leaf_x, wrap(t), reduction="sum"), leaf_x)
    assert slope.dtype == dtype
    np.testing.assert_allclose(slope.numpy(), softmax(x) - np.eye(3)[t], rtol=1e-5, atol=1e-6)


def test_a_one_hot_distribution_equals_its_class():
    x, t, w = RANDOM.standard_normal((4, 3, 2)), RANDOM.integers(0, 3, (4, 2)), RANDOM.random(3)
    one_hot = np.moveaxis(np.eye(3)[t], -1, 1)
    for reduction in ("none", "sum"):
        for smoothing in (0.0, 0.3):
            a, b = (
                losses.cross_entropy(
                    wrap(x),
                    wrap(target),
                    wrap(w),
                    reduction=reduction,
                    label_smoothing=smoothing,
                )
                for target in (t, one_hot)
            )
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


def test_the_weighted_mean_leaves_out_what_is_ignored():
    x, w = RANDOM.standard_normal((5, 3)), np.array([1.0, 2.0, 4.0])
    t = np.array([0, -100, 2, 1, -100])
    keep = t >= 0
    each = -np.log(softmax(x))[np.arange(5), np.where(keep, t, 0)] * w[np.where(keep, t, 0)] * keep
    expected = each.sum() / w[t[keep]].sum()
    loss = losses.cross_entropy(wrap(x), wrap(t), wrap(w))
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    logs = wrap(np.log(softmax(x)))
    assert losses.nll_loss(logs, wrap(t), wrap(w)).item() == pytest.approx(expected, rel=1e-12)
    none = losses.nll_loss(logs, wrap(t), wrap(w), reduction="none")
    np.testing.assert_allclose(none.numpy(), each, rtol=1e-12)


def test_an_ignored_position_takes_no_gradient_and_any_class_can_be_ignored():
    x, t = leaf(RANDOM.standard_normal((3, 4))), wrap(np.array([1, 3, 1]))
    (slope,) = grad(losses.cross_entropy(x, t, ignore_index=1), x)
    assert not slope.numpy()[[0, 2]].any()
    assert slope.numpy()[1].all()


def test_an_ignored_position_hides_even_infinite_scores():
    x = leaf([[-inf, 0.0], [0.0, 0.0]])
    t = wrap(np.array([-100, 1]))
    loss = losses.nll_loss(x, t)
    assert loss.item() == 0
    assert np.isfinite(grad(loss, x)[0].numpy()).all()


def test_without_a_batch():
    x = RANDOM.standard_normal(3)
    loss = losses.cross_entropy(wrap(x), wrap(np.array(2)))
    assert loss.shape == ()
    assert loss.item() == pytest.approx(-np.log(softmax(x, 0))[2], rel=1e-12)
    p = np.array([0.2, 0.3, 0.5])
    loss = losses.cross_entropy(wrap(x), wrap(p))
    assert loss.item() == pytest.approx(-(p * np.log(softmax(x, 0))).sum(), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_at_logits_of_a_thousand(dtype):
    x, t = leaf([[1000, -1000], [1000, -1000]], dtype), wrap(np.array([0, 1]))
    loss = losses.cross_entropy(x, t, reduction="none")
    np.testing.assert_array_equal(loss.detach().numpy(), [0, 2000])
    (slope,) = grad(loss.sum(), x)
    np.testing.assert_array_equal(slope.numpy(), [[0, 0], [1, -1]])


def test_targets_of_the_wrong_type_are_errors():
    x = wrap(np.zeros((2, 3)))
    with pytest.raises(TypeError, match=r"cross_entropy: .*integer type, got float64; use .*long"):
        losses.cross_entropy(x, wrap(np.zeros(2)))
    with pytest.raises(TypeError, match=r"nll_loss: .*integer type"):
        losses.nll_loss(x, wrap(np.zeros(2)))
    with pytest.raises(TypeError, match=r"distribution over the classes.*got int64"):
        losses.cross_entropy(x, wrap(np.zeros((2, 3), np.int64)))
    with pytest.raises(RuntimeError, match=r"weight has shape \(2,\).* 3 classes"):
        losses.cross_entropy(x, wrap(np.zeros(2, np.int64)), wrap(np.ones(2)))


@pytest.mark.parametrize("wrong", [3, -1])
def test_a_class_out_of_range_is_an_error(wrong):
    with pytest.raises(IndexError):
        losses.cross_entropy(wrap(np.zeros((2, 3))), wrap(np.array([0, wrong])))


# -- divergence -------------------------------------------------------------------------------


def test_the_divergence_of_equal_distributions_is_0():
    p = softmax(RANDOM.standard_normal((4, 3)))
    for options in ({}, {"log_target": True}):
        target = wrap(np.log(p)) if options else wrap(p)
        loss = losses.kl_div(wrap(np.log(p)), target, reduction="batchmean", **options)
        assert loss.item() == pytest.approx(0, abs=1e-15)


def test_batchmean_divides_by_the_rows():
    p, q = softmax(RANDOM.standard_normal((2, 4, 3)), 2)
    expected = (q * np.log(q / p)).sum() / 4
    loss = losses.kl_div(wrap(np.log(p)), wrap(q), reduction="batchmean")
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_a_target_probability_of_0_counts_nothing():
    x, t = leaf(np.log([0.5, 0.5])), leaf([0.0, 1.0])
    loss = losses.kl_div(x, t, reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), [0, log(2)])
    assert all(np.isfinite(g.numpy()).all() for g in grad(loss.sum(), [x, t]))


def test_the_derivatives_by_target_and_weights_hold_to_order_2():
    x, t, w = leaf(RANDOM.random((2, 3))), leaf(RANDOM.random((2, 3))), leaf(RANDOM.random(3))
    assert gradcheck(losses.binary_cross_entropy_with_logits, (x, t, w))
    assert gradcheck(lambda x, t: losses.cross_entropy(x, t, label_smoothing=0.1), (x, t))
