"""What is changed in place: versions, views, and the gradients that would be wrong."""

from __future__ import annotations

import numpy as np
import pytest
from test_engine import equal, leaf

import tinygan
from tinygan.autograd import grad, no_grad, wrap


def test_a_parameter_changed_between_forward_and_backward_is_an_error():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w).sum()
    with no_grad():
        w.mul_(2.0)
    with pytest.raises(RuntimeError, match=r"mul: its input 1, of shape \(2,\), was changed"):
        y.backward()


@pytest.mark.parametrize("look", ["detach", "data"])
def test_an_output_that_is_needed_and_changed_unseen_is_an_error(look):
    x = leaf(1.0)
    y = x.exp()
    with no_grad():
        {"detach": y.detach, "data": lambda: y.data}[look]().add_(1.0)
    with pytest.raises(RuntimeError, match="exp: its output"):
        y.backward()


CHANGES = {
    "add_": lambda y: y.add_(1.0),
    "twice": lambda y: y.mul_(2.0).mul_(y),
    "a part": lambda y: y[1:].mul_(2.0),
    "an element": lambda y: y.__setitem__(0, 5.0),
    "elements": lambda y: y.__setitem__([0, 2], 5.0),
    "a mask": lambda y: y.__setitem__(y > 2, 5.0),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_op_keeps_what_it_needs_of_its_output(name):
    x, found = leaf(0.5, 1.0, 1.5), []
    for made in (x.exp(), x.exp().clone()):  # of the second, exp's output is another tensor
        CHANGES[name](made)
        (first,) = grad((made * made).sum(), x, create_graph=True)
        found.append([made, first, grad(first.sum(), x)[0]])
    for a, b in zip(*found, strict=True):
        equal(a, b.tolist())


def test_an_op_keeps_what_it_needs_where_nothing_is_recorded_or_it_is_seen_otherwise():
    x = leaf(0.5, 1.0)
    for seen in (lambda y: y, lambda y: y[1:], lambda y: y.view(2, 1)):
        y = x.exp()
        with no_grad():
            seen(y).zero_()
        equal(grad(y.sum(), x)[0], np.exp([0.5, 1.0]))
    y = x.exp().view(2, 1).t()  # nothing else looks into that memory any more
    y += 1.0
    equal(grad((y * y).sum(), x)[0], 2 * (np.exp([0.5, 1.0]) + 1) * np.exp([0.5, 1.0]))


def test_changing_what_no_rule_needs_is_fine():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x + w).sum()
    with no_grad():
        w.mul_(2.0)
    y.backward()
    equal(w.grad, [1.0, 1.0])


@pytest.mark.parametrize("look", ["detach", "data", "view", "slice", "transpose", "twice"])
def test_views_share_the_counter(look):
    w = leaf(3.0, 4.0)
    y = (w * w).sum()
    with no_grad():
        view = {
            "detach": lambda: w.detach(),
            "data": lambda: w.data,
            "view": lambda: w.view(2, 1),
            "slice": lambda: w[:1],
            "transpose": lambda: w.reshape(1, 2).transpose(0, 1),
            "twice": lambda: w[0:2][1:],
        }[look]()
        view.zero_()
    with pytest.raises(RuntimeError, match="was changed in place"):
        y.backward()


def test_a_tensor_made_of_a_tensor_shares_the_counter():
    w = leaf(3.0, 4.0)
    y = (w * w).sum()
    tinygan.Tensor(w).zero_()
    with pytest.raises(RuntimeError, match="was changed in place"):
        y.backward()


@pytest.mark.parametrize("use", ["gather", "embedding"])
def test_an_index_changed_before_backward_is_an_error(use):
    x, index = wrap(np.eye(3)).requires_grad_(), wrap(np.array([[0, 1, 1]]))
    y = {
        "gather": lambda: x.gather(0, index),
        "embedding": lambda: tinygan.nn.functional.embedding(index, x),
    }[use]()
    index.zero_()
    with pytest.raises(RuntimeError, match="was changed in place"):
        y.sum().backward()


def test_an_index_changed_after_indexing_changes_nothing():
    x, index = leaf(1.0, 2.0, 3.0), wrap(np.array([0, 1]))
    y = x[index]
    index.fill_(2)
    equal(grad(y.sum(), x)[0], [1.0, 1.0, 0.0])


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_an_optimizer_step_between_forward_and_backward_is_an_error(name):
    w, x = leaf(3.0, 4.0), leaf(1.0, 1.0)
    optimizer = getattr(tinygan.optim, name)([w], lr=0.1)
    y = (w * x).sum()
    w.grad = wrap(np.ones(2))
    optimizer.step()
    with pytest.raises(RuntimeError, match="was changed in place"):
        y.backward()


def test_views_of_foreign_memory_share_the_counter():
    """NumPy's `base` stops at memory that NumPy does not own."""
    memory = bytearray(np.array([3.0, 4.0]).tobytes())
    x = wrap(np.frombuffer(memory, dtype=np.float64))
    w = leaf(1.0, 1.0)
    y = (w * x).sum()
    x.view(2, 1).zero_()
    with pytest.raises(RuntimeError, match="was changed in place"):
        y.backward()


def test_a_copy_does_not_share_the_counter():
    w = leaf(3.0, 4.0)
    y = (w * w).sum()
    with no_grad():
        w.clone().zero_()
    y.backward()
    equal(w.grad, [6.0, 8.0])


def test_an_in_place_operation_is_part_of_the_record():
    x = leaf(1.0, 2.0)
    h = x * 2.0
    h.mul_(3.0)
    h.sum().backward()
    equal(x.grad, [6.0, 6.0])


def test_a_constant_written_over_a_result_stops_its_gradient():
    x, w = leaf(1.0, 2.0), leaf(1.0, 1.0)
    h = x * 2.0
    h.zero_()
    (h + w).sum().backward()
    assert x.grad is None
    equal(w.grad, [1.0, 1.0])


def test_random_numbers_written_over_a_result_stop_its_gradient():
    x, w = leaf(1.0, 2.0), leaf(1.0, 1.0)
    h = x * 2.0
    h.normal_()
    assert not h.requires_grad
    (h + w).sum().backward()
    assert x.grad is None
    h = x * 2.0
    view = h[:1]
    h.normal_()
    assert not view.requires_grad


def test_a_gradient_that_was_used_and_then_accumulated_onto_is_an_error():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x * 2.0).sum().backward()
    y = (w * x.grad).sum()
    (x * 2.0).sum().backward()
    with pytest.raises(RuntimeError, match="was changed in place"):
        y.backward()


def test_a_leaf_is_not_changed_in_place_while_recording():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match=r"leaf tensor.*no_grad\(\)"):
        x.add_(1.0)
    with no_grad():
        x.add_(1.0)
    equal(x, [2.0])
    x.data.add_(1.0)
    equal(x, [3.0])


def test_views_follow_what_they_look_into():
    x = leaf(1.0, 2.0)
    h = x * 2.0
    view, other = h[1:], h.view(2, 1).t()
    h.mul_(x)
    equal(grad(view.sum() + other[0, 0], x, retain_graph=True)[0], [4.0, 8.0])
    other.mul_(x)
    equal(h, [2.0, 16.0])
    equal(grad(view.sum(), x, retain_graph=True)[0], [0.0, 24.0])
    equal(grad(h.sum(), x, retain_graph=True)[0], [6.0, 24.0])
    view.zero_()
    equal(grad(h.sum() + other.sum(), x)[0], [12.0, 0.0])


@pytest.mark.parametrize("alias", ["detach", "data"])
def test_what_is_detached_owns_the_memory_too(alias):
    x = leaf(1.0, 2.0, 3.0)
    for kept in (False, True):
        h = x * 2.0
        other = h.detach() if alias == "detach" else h.data
        views = [other.view(3), other[1:]]
        if not kept:
            del other, views
        h[0] += x[1] * 10.0
        equal(grad(h.sum(), x, retain_graph=True)[0], [2.0, 12.0, 2.0])
    views[1].mul_(x[1])  # as in PyTorch: h is not told, though its numbers are others now
    equal(grad(other.sum() + views[0].sum(), x, retain_graph=True)[0], [0.0, 20.0, 0.0])
    equal(grad(h.sum(), x)[0], [2.0, 12.0, 2.0])


def test_a_view_that_no_record_knows_is_not_changed_while_recording():
    x = leaf(1.0, 2.0)
    h = x * 2.0
    with no_grad():
        view = h[:1]
    for change in (lambda: view.mul_(3.0), lambda: view.__setitem__(0, 3.0)):
        with pytest.raises(RuntimeError, match=r"made under no_grad\(\)"):
            change()
    h.mul_(3.0)  # which tells it
    view.mul_(2.0)
    equal(grad(h.sum(), x)[0], [12.0, 6.0])
    h = x * 2.0
    view = h[:1]
    view.normal_()
    view.mul_(3.0)
    equal(grad(h.sum(), x)[0], [0.0, 2.0])


def test_memory_whose_owner_is_gone_is_not_changed_while_recording():
    x = leaf(1.0, 2.0)
    h = x * 2.0
    first, second = h[:1], h[1:]
    del h
    with pytest.raises(RuntimeError, match="another live tensor looks into"):
        first.mul_(2.0)
    del second
    first.mul_(2.0)
    equal(grad(first.sum(), x)[0], [4.0, 0.0])
    h = x * 2.0
    wide = h.expand(3, 2)
    with pytest.raises(RuntimeError, match="another live tensor looks into"):
        wide.mul_(x)
    equal(h, [2.0, 4.0])


def test_a_part_that_changes_tells_the_whole():
    x = leaf(1.0, 2.0, 3.0)
    h = x * 2.0
    square = h * h
    part = h[1:]
    part.mul_(3.0)
    assert h.version[0] == 1 and part.requires_grad
    equal(grad(h.sum() + part.sum(), x, retain_graph=True)[0], [2.0, 12.0, 12.0])
    del part
    h[0] += x[1]
    equal(h, [4.0, 12.0, 18.0])
    equal(grad(h.sum(), x)[0], [2.0, 7.0, 6.0])
    with pytest.raises(RuntimeError, match="was changed in place"):
        square.sum().backward()
    h = x * 2.0
    h[:1].zero_()
    equal(h, [0.0, 4.0, 6.0])
    equal(grad(h.sum(), x)[0], [0.0, 2.0, 2.0])
    square = wrap(np.ones((3, 3))) * x
    square.diagonal().mul_(x)
    equal(grad(square.sum(), x)[0], [4.0, 6.0, 8.0])


def test_a_part_that_changes_in_a_recorded_function():
    @tinygan.compile
    def f(x):
        h = x * 2.0
        h[0] += x[1]
        h[:, 1].mul_(x[:, 0])
        (g,) = grad((h * h).sum(), [x])
        return h, g

    for k in range(4):
        x = wrap(np.array([[1.0, 2.0], [3.0, 4.0 + k]])).requires_grad_()
        h, g = f(x)
        y = x.detach()
        a, b, c, d = y.reshape(-1).tolist()
        equal(h, [[2 * a + c, (2 * b + d) * a], [2 * c, 2 * d * c]])
        p, q, r, s = h.reshape(-1).tolist()
        equal(
            g,
            [
                [4 * p + 2 * q * (2 * b + d), 4 * q * a],
                [2 * p + 4 * r + 4 * s * d, 2 * q * a + 4 * s * c],
            ],
        )
