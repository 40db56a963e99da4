"""The checker itself: it catches planted errors, and raises no false alarm."""

from __future__ import annotations

import numpy as np
import pytest

from tinygan.autograd import (
    REGISTRY,
    GradcheckError,
    GradcheckReport,
    check,
    gradcheck,
    no_grad,
    primitive,
    wrap,
)


@pytest.fixture(autouse=True)
def _only_here():
    """Forget the ops that a test registers."""
    before = set(REGISTRY)
    yield
    for name in set(REGISTRY) - before:
        del REGISTRY[name]


def leaf(*shape, low=0.5, high=1.5, seed=0):
    x = np.random.default_rng(seed).uniform(low, high, shape)
    return wrap(x).requires_grad_()


def cube(rule):
    @primitive(elementwise=True)
    def cubed(xp, x):
        return x * x * x

    cubed.vjp(x=rule)
    return cubed


def product(**rules):
    @primitive(elementwise=True)
    def times(xp, x, w):
        return x * w

    times.vjp(**rules)
    return times


def test_a_right_rule_passes_to_order_4():
    assert gradcheck(cube(lambda g, x: g * 3 * x * x), leaf(2, 3), order=4)


def test_one_percent_off_is_caught_at_order_1():
    report = check(cube(lambda g, x: g * 3.03 * x * x), leaf(2, 3), order=1)
    assert report.errors[1] > 1e-3
    with pytest.raises(GradcheckError, match="cubed: the derivative of order 1 along"):
        gradcheck(REGISTRY["cubed"], leaf(2, 3))


def test_one_percent_off_in_one_entry_of_a_thousand_is_caught():
    factor = np.full(1000, 3.0)
    factor[17] *= 1.01
    f = cube(lambda g, x: g * wrap(factor) * x * x)
    assert check(f, leaf(1000), order=1).worst > 1e-5


def test_a_rule_on_raw_arrays_passes_order_1_and_is_caught_at_order_2():
    f = cube(lambda g, x: g * wrap(3 * x.array * x.array))
    assert gradcheck(f, leaf(2, 3), order=1)
    report = check(f, leaf(2, 3), order=2)
    assert report.errors[1] < 1e-8 < 1e-2 < report.errors[2]


def test_a_rule_that_loses_the_incoming_gradient_graph_is_caught_at_order_2():
    f = cube(lambda g, x: wrap(g.array) * 3 * x * x)
    assert gradcheck(f, leaf(3), order=1)
    with pytest.raises(GradcheckError, match="order 2"):
        gradcheck(f, leaf(3))


def test_a_second_derivative_one_percent_off_is_caught():
    @primitive(elementwise=True)
    def slope(xp, x):
        return 3 * x * x

    slope.vjp(x=lambda g, x: g * 6.06 * x)
    f = cube(lambda g, x: g * slope(x))
    assert gradcheck(f, leaf(3), order=1)
    with pytest.raises(GradcheckError, match="order 2"):
        gradcheck(f, leaf(3))


def test_a_missing_cross_derivative_is_caught_at_order_2():
    right = product(x=lambda g, w: g * w, w=lambda g, x: g * x)
    assert gradcheck(right, (leaf(3), leaf(3, seed=1)))
    del REGISTRY["times"]
    # d/dx does not know that it depends on w
    wrong = product(x=lambda g, w: g * wrap(w.array), w=lambda g, x: g * x)
    assert gradcheck(wrong, (leaf(3), leaf(3, seed=1)), order=1)
    with pytest.raises(GradcheckError, match="order 2"):
        gradcheck(wrong, (leaf(3), leaf(3, seed=1)))


def test_a_gradient_that_is_always_zero_is_caught():
    f = product(x=lambda g, w: g * w, w=lambda g: None)
    with pytest.raises(GradcheckError, match="order 1"):
        gradcheck(f, (leaf(3), leaf(3, seed=1)))


def test_a_sum_over_the_wrong_dimension_is_caught():
    """A square input, so that only the numbers can tell."""
    f = product(x=lambda g, w: g * w, w=lambda g, x: (g * x).sum(1))
    with pytest.raises(GradcheckError, match="order 1"):
        gradcheck(f, (leaf(3, 3), leaf(3, seed=1)))


def test_nan_is_caught():
    assert np.isnan(check(cube(lambda g, x: g * float("nan")), leaf(3), order=1).worst)
    with pytest.raises(GradcheckError, match="nan"):
        gradcheck(REGISTRY["cubed"], leaf(3), order=1)


def test_a_report_keeps_nan_whatever_comes_after_it():
    report = GradcheckReport()
    for error in (1e-9, float("nan"), 1e-3):
        report.add(1, error, 1.0, 1.0)
    assert np.isnan(report.errors[1])
    assert np.isnan(report.worst)


def step(slope=lambda x: (x > 0).to(x.dtype)):
    @primitive(elementwise=True)
    def ramp(xp, x):
        return xp.maximum(x, 0)

    ramp.vjp(x=lambda g, x: g * slope(x))
    return ramp


def test_a_kink_is_reported_and_not_failed():
    """At 0 relu has two slopes; of abs the first differences agree, and its slope jumps."""
    for f, order in ((step(), 1), (lambda x: abs(x), 2)):
        x = wrap(np.array([0.0, 1.0, -2.0])).requires_grad_()
        report = check(f, x)
        assert report.kinks == {order}
        assert set(report.errors) == set(range(1, order))
        assert gradcheck(f, x)


def test_an_f_that_changes_between_calls_is_an_error():
    random = np.random.default_rng(0)
    with pytest.raises(GradcheckError, match="two calls with the same inputs"):
        gradcheck(lambda x: x * random.random(), leaf(3))


@pytest.mark.parametrize("distance", [1e-2, 1e-3, 3e-4, 1e-4])
def test_near_a_kink_the_right_rule_passes_and_a_wrong_one_is_caught(distance):
    x = np.array([distance, -distance, 1.0])
    report = check(step(), wrap(x).requires_grad_())
    assert not report.kinks
    assert report.worst < 1e-7
    del REGISTRY["ramp"]
    wrong = step(lambda x: (x > 0).to(x.dtype) * 1.01)
    with pytest.raises(GradcheckError, match="order 1"):
        gradcheck(wrong, wrap(x).requires_grad_())


def test_summands_that_cancel_raise_no_false_alarm():
    """Along v the derivative of w . x can be as near to 0 as rounding errors are."""
    w = np.array([1.0, -1.0, 1e8, -1e8])
    for seed in range(20):
        x = wrap(np.ones(4)).requires_grad_()
        assert gradcheck(lambda x: (x * wrap(w)).sum(), x, seed=seed)


def test_a_derivative_that_is_zero_passes():
    assert gradcheck(lambda x: (x - x) * 3.0, leaf(3))
    assert gradcheck(lambda x: x * 0.0 + 5.0, leaf(3), order=3)


def test_several_outputs_and_an_input_that_is_not_varied():
    constant = wrap(np.arange(3.0))

    def both(x, c, w):
        return x * w, (x + c) * x

    report = check(both, (leaf(3), constant, leaf(3, seed=1)))
    assert set(report.errors) == {1, 2}
    assert report.worst < 1e-8


def test_it_records_also_under_no_grad():
    with no_grad():
        assert gradcheck(lambda x: x * x, leaf(3))


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="no input requires a gradient"):
        check(lambda x: x * x, wrap(np.ones(2)))
    x = wrap(np.ones(2, dtype=np.float32)).requires_grad_()
    with pytest.raises(TypeError, match=r"input 0 is float32, expected float64.*double"):
        check(lambda x: x * x, x)
