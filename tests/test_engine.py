"""What the engine promises, one test for each promise."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import tinygan
from tinygan.autograd import (
    REGISTRY,
    Node,
    Primitive,
    backward,
    enable_grad,
    grad,
    is_grad_enabled,
    no_grad,
    primitive,
    set_grad_enabled,
    wrap,
)


@pytest.fixture(autouse=True)
def _only_here():
    """Forget the ops that a test registers."""
    before = set(REGISTRY)
    yield
    for name in set(REGISTRY) - before:
        del REGISTRY[name]


def leaf(*values, dtype=np.float64):
    return wrap(np.array(values, dtype=dtype)).requires_grad_()


def equal(x, expected):
    np.testing.assert_allclose(x.detach().numpy(), expected, rtol=1e-12)


class Counted:
    """x * w that counts how often each of its vjps runs."""

    def __init__(self) -> None:
        self.calls = {"x": 0, "w": 0}

        @primitive(elementwise=True)
        def counted(xp, x, w):
            return x * w

        def count(name, result):
            self.calls[name] += 1
            return result

        counted.vjp(
            x=lambda g, w: count("x", g * w),
            w=lambda g, x: count("w", g * x),
        )
        self.op: Primitive = counted


# -- the walk ---------------------------------------------------------------------------------


def test_a_chain_of_20000_operations():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y * 1.0
    y.sum().backward()
    equal(x.grad, [1.0])


def test_a_chain_of_100000_operations_is_freed_without_recursion():
    y = leaf(1.0)
    for _ in range(100_000):
        y = y + 1.0
    del y


def test_doubling_fifty_times_visits_each_node_once():
    x = leaf(1.0)
    y = x
    for _ in range(50):
        y = y + y
    y.sum().backward()
    equal(x.grad, [2.0**50])


def test_only_nodes_on_a_path_to_the_inputs_run_their_vjp():
    f = Counted()
    x, w, v = leaf(2.0), leaf(3.0), leaf(5.0)
    y = f.op(f.op(x, w), v)
    (g,) = grad(y, w)
    equal(g, [10.0])
    assert f.calls == {"x": 1, "w": 1}  # the outer one by x, the inner one by w
    f.calls.update(x=0, w=0)
    grad(f.op(f.op(x, w), v), v)
    assert f.calls == {"x": 0, "w": 1}


def test_the_discriminators_parameters_take_no_gradient_in_the_generators_step():
    generator = Counted()
    del REGISTRY["counted"]
    discriminator = Counted()
    theta, phi, z = leaf(2.0), leaf(3.0), wrap(np.array([5.0]))
    fake = generator.op(z, theta)
    logit = discriminator.op(fake, phi)
    (g,) = grad(-logit.sum(), theta)
    equal(g, [-15.0])
    assert discriminator.calls == {"x": 1, "w": 0}
    assert generator.calls == {"x": 0, "w": 1}
    assert phi.grad is None


def test_a_gradient_has_its_inputs_shape_and_type_whatever_was_broadcast():
    shapes = [(), (1,), (3,), (1, 3), (2, 1), (4, 1, 1), (4, 2, 3)]
    for a in shapes:
        for b in shapes:
            x, w = (
                wrap(np.ones(a)).requires_grad_(),
                wrap(np.ones(b, np.float32)).requires_grad_(),
            )
            y = x * w
            gx, gw = grad(y.sum(), [x, w])
            assert (gx.shape, gx.dtype) == (a, np.float64)
            assert (gw.shape, gw.dtype) == (b, np.float32)
            equal(gx, np.full(a, y.numel() / x.numel()))
            equal(gw, np.full(b, y.numel() / w.numel()))


def test_create_graph_to_order_3():
    x = leaf(2.0, -3.0)
    (first,) = grad((x**4).sum(), x, create_graph=True)
    (second,) = grad(first.sum(), x, create_graph=True)
    (third,) = grad(second.sum(), x, create_graph=True)
    equal(first, 4 * x.detach().numpy() ** 3)
    equal(second, 12 * x.detach().numpy() ** 2)
    equal(third, 24 * x.detach().numpy())
    assert third.requires_grad


def test_without_create_graph_the_gradient_is_a_constant():
    x = leaf(2.0)
    (g,) = grad(x * x, x)
    assert not g.requires_grad


def test_several_outputs_are_weighted_and_summed():
    x = leaf(1.0, 2.0)
    a, b = x * 2.0, x * x
    (g,) = grad([a, b], x, [wrap(np.array([1.0, 10.0])), wrap(np.array([1.0, 1.0]))])
    equal(g, [2 + 2, 20 + 4])


def test_an_output_can_be_an_input_of_another_and_of_the_request():
    x = leaf(3.0)
    y = x * x
    gx, gy = grad([y, y * 2.0], [x, y], [wrap(np.ones(1))] * 2)
    equal(gy, [3.0])
    equal(gx, [18.0])
    (same,) = grad(x, x)
    equal(same, [1.0])


def test_the_same_input_twice_gets_the_same_gradient_twice():
    x = leaf(3.0)
    a, b = grad(x * x, [x, x])
    equal(a, [6.0])
    equal(b, [6.0])


def test_intermediate_results_are_inputs_too():
    x = leaf(3.0)
    h = x * x
    (g,) = grad(h * h, h)
    equal(g, [18.0])


# -- freeing ----------------------------------------------------------------------------------


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_graph_is_freed_without_the_garbage_collector(create_graph):
    x = leaf(1.0, 2.0)
    h = x * x
    y = (h.exp() * h.reshape(2, 1)).sum()
    (g,) = grad(y, x, create_graph=create_graph)
    gone = [weakref.ref(o) for o in (h, h.node, h.array, y, y.node, g, g.array)]
    del h, y, g
    assert [r() for r in gone] == [None] * len(gone)


@pytest.mark.usefixtures("no_collector")
def test_a_graph_that_was_never_walked_is_freed_too():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    node = weakref.ref(y.node)
    del y
    assert node() is None


@pytest.mark.usefixtures("no_collector")
def test_backward_with_create_graph_makes_no_cycle():
    x = leaf(1.0, 2.0)
    (x**3).sum().backward(create_graph=True)
    gone = weakref.ref(x), weakref.ref(x.grad), weakref.ref(x.node)
    del x
    assert [r() for r in gone] == [None] * 3


@pytest.mark.parametrize("name", ["gradient_penalty", "r1", "r2"])
def test_a_training_step_leaves_nothing_to_the_collector(name):
    nn, losses = tinygan.nn, tinygan.losses
    critic = nn.Sequential(
        nn.Conv2d(1, 2, 3, 2, 1),
        nn.BatchNorm2d(2),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(8, 1),
    )
    generator = nn.Sequential(
        nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 16), nn.Unflatten(1, (1, 4, 4))
    )
    optimizers = [tinygan.optim.Adam(m.parameters(), 1e-3) for m in (critic, generator)]

    def step():
        real, fake = tinygan.randn(5, 1, 4, 4), generator(tinygan.randn(5, 3))
        loss = losses.hinge.discriminator(critic(real), critic(fake.detach()))
        (loss + losses.PENALTIES[name](critic, real, fake)).backward()
        losses.hinge.generator(critic(fake)).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    def recorded():
        return {id(o) for o in gc.get_objects() if type(o) is Node and o.op is not None}

    step()  # compiles, which leaves cycles of its own
    gc.collect()
    gc.disable()
    try:
        before = recorded()
        step()
        assert recorded() <= before
    finally:
        gc.enable()


def test_a_walk_frees_what_it_has_used():
    x = leaf(1.0)
    h = x.exp()
    array = weakref.ref(h.array)
    y = h.exp().sum()
    del h
    assert array() is not None
    y.backward()
    assert array() is None


def test_an_array_that_no_vjp_needs_is_not_kept():
    x = leaf(1.0)
    h = x * 2.0
    array = weakref.ref(h.array)
    y = h + 1.0
    del h
    assert array() is None
    assert y.requires_grad


def test_a_second_walk_is_an_error_unless_the_graph_was_retained():
    x = leaf(3.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()
    x.grad = None
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    equal(x.grad, [12.0])


def test_a_walk_down_to_an_intermediate_result_leaves_what_is_behind_it():
    """Half a backward pass, then the other half, as in training by hand."""
    x = leaf(3.0)
    h = x * x
    (g,) = grad(h * h, h)
    h.backward(g)
    equal(x.grad, [4 * 27.0])
    h = x * x
    grad(h, x)
    equal(grad(h * 2.0, h)[0], [2.0])  # behind h everything is used up, but nothing is asked


# -- misuse -----------------------------------------------------------------------------------


def test_an_unused_input_is_an_error_or_none():
    x, w = leaf(1.0), leaf(2.0)
    with pytest.raises(RuntimeError, match=r"input 1, of shape \(1,\), was not used.*allow_unused"):
        grad(x * x, [x, w])
    g = grad(x * x, [x, w], allow_unused=True)
    equal(g[0], [2.0])
    assert g[1] is None


def test_an_input_without_gradient_is_an_error():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match=r"input 0, .* requires no gradient"):
        grad(x * x, wrap(np.ones(1)))


def test_an_output_without_gradient_is_an_error():
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        wrap(np.ones(1)).backward()


def test_several_elements_need_grad_outputs():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"one-element output only.*\(2,\).*grad_outputs"):
        grad(x * x, x)
    (g,) = grad(x * x, x, wrap(np.array([1.0, 10.0])))
    equal(g, [2.0, 40.0])


def test_grad_outputs_must_fit_in_number_and_shape():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"has shape \(3,\), the output \(2,\)"):
        grad(x * x, x, wrap(np.ones(3)))
    with pytest.raises(RuntimeError, match="2 outputs but 1 grad_outputs"):
        grad([x * x, x * 2.0], x, wrap(np.ones(2)))


def test_what_is_no_tensor_is_named():
    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match="gradient passed in is a ndarray, expected a Tensor"):
        (x * x).backward(np.ones(2))
    with pytest.raises(TypeError, match="input 1 is a NoneType, expected a Tensor"):
        grad((x * x).sum(), [x, None])


def test_memory_that_elements_share_cannot_be_changed():
    with pytest.raises(RuntimeError, match=r"read-only, as it is after expand\(\)"):
        wrap(np.zeros((1, 3))).expand(2, 3).add_(1.0)
    with pytest.raises(RuntimeError, match=r"read-only, as it is after expand\(\)"):
        wrap(np.zeros((1, 3))).expand(2, 3)[0] = 1.0


def test_many_live_views_cost_each_the_same():
    """Noting who looks into a memory must not be quadratic: 50,000 rows of one tensor."""
    assert len(list(wrap(np.zeros((50_000, 1))))) == 50_000


def test_integers_cannot_require_gradients():
    with pytest.raises(RuntimeError, match="only floating-point"):
        wrap(np.arange(3)).requires_grad_()


# -- recording --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "inside"),
    [(no_grad, False), (enable_grad, True), (lambda: set_grad_enabled(False), False)],
)
@pytest.mark.parametrize("outside", [True, False])
def test_a_context_sets_recording_and_restores_it(context, inside, outside):
    x = leaf(1.0)
    with set_grad_enabled(outside):
        with context():
            assert is_grad_enabled() is inside
            assert (x * x).requires_grad is inside
        assert is_grad_enabled() is outside
        with pytest.raises(KeyError), context():
            raise KeyError
        assert is_grad_enabled() is outside
    assert is_grad_enabled()


@pytest.mark.parametrize(
    ("decorator", "inside"),
    [
        (no_grad(), False),
        (no_grad, False),
        (enable_grad(), True),
        (lambda f: set_grad_enabled(False)(f), False),
        (lambda f: set_grad_enabled(True)(f), True),
    ],
)
@pytest.mark.parametrize("outside", [True, False])
def test_a_decorator_sets_recording_during_each_call_only(decorator, inside, outside):
    @decorator
    def f(depth):
        assert is_grad_enabled() is inside
        if depth:
            with set_grad_enabled(not inside):
                f(depth - 1)
                assert is_grad_enabled() is not inside
        return is_grad_enabled()

    assert is_grad_enabled()
    with set_grad_enabled(outside):
        assert f(2) is inside
        assert is_grad_enabled() is outside


def test_set_grad_enabled_works_at_once():
    set_grad_enabled(False)
    assert not is_grad_enabled()
    set_grad_enabled(True)
    assert is_grad_enabled()


def test_contexts_nest_and_one_object_can_be_entered_again():
    context = no_grad()
    with context, enable_grad(), context:
        assert not is_grad_enabled()
    assert is_grad_enabled()


def test_recording_belongs_to_the_thread():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_threads_differentiate_side_by_side():
    w = leaf(*range(1, 101))
    results = [None] * 4

    def work(i):
        for _ in range(20):
            results[i] = grad((w**i).sum(), w, create_graph=False)[0]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i in range(1, 4):
        equal(results[i], i * np.arange(1.0, 101.0) ** (i - 1))


def test_inference_mode_is_no_grad_once_entered():
    x = leaf(2.0)
    mode = tinygan.inference_mode()
    assert (x * x).requires_grad
    with mode:
        assert not (x * x).requires_grad
    assert (x * x).requires_grad and tinygan.inference_mode()(lambda: x * x)().node is None
    with tinygan.no_grad(), tinygan.inference_mode(False):
        assert (x * x).requires_grad


# -- tensors ----------------------------------------------------------------------------------


def test_detach_stops_the_gradient_and_shares_the_memory():
    x = leaf(2.0)
    d = x.detach()
    assert not d.requires_grad
    assert d.array is x.array
    (x * d).backward()
    equal(x.grad, [2.0])


def test_retain_grad_fills_grad_of_a_result():
    x = leaf(2.0)
    h = x * x
    y = h * 3.0
    h.retain_grad()
    y.backward()
    equal(h.grad, [3.0])
    equal(x.grad, [12.0])
    with pytest.raises(RuntimeError, match="does not require"):
        wrap(np.ones(1)).retain_grad()


def test_backward_accumulates_over_calls_and_uses():
    x = leaf(2.0)
    (x * x).backward()
    (x * 3.0).backward()
    equal(x.grad, [7.0])


def test_backward_fills_grad_of_the_inputs_it_is_given_alone():
    x, w = leaf(1.0, 1.0), leaf(3.0, 3.0)
    y = x * w
    (y * y).sum().backward(inputs=[y, w, w])
    assert x.grad is None
    assert y.grad.tolist() == [6, 6] and w.grad.tolist() == [6, 6]
    other = leaf(1.0)
    x.sum().backward(inputs=(t for t in [other]))
    assert other.grad is None and x.grad is None
    for wrong, error in [([], "is empty"), ([x.detach()], "input 0, of shape .* no gradient")]:
        with pytest.raises(RuntimeError, match=f"backward: .*{error}"):
            x.sum().backward(inputs=wrong)


def test_two_networks_learn_from_one_graph_each_by_its_own_loss():
    """As in Softmax GAN: D's loss leaves what G's loss needs, and G nothing in D."""
    g, d = leaf(2.0), leaf(3.0)
    score = d * g
    (-score).backward(retain_graph=True, inputs=d)
    (score * score).backward(inputs=g)
    assert d.grad.tolist() == [-2] and g.grad.tolist() == [2 * 2 * 3 * 3]


def test_backward_starts_from_several_outputs():
    x, w = leaf(1.0, 1.0), leaf(3.0, 3.0)
    backward([x * w, x.sum()], [wrap(np.array([1.0, 2.0])), None])
    assert x.grad.tolist() == [4, 7] and w.grad.tolist() == [1, 2]


def test_gradients_of_two_leaves_do_not_share_memory():
    for create_graph in (False, True):
        x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
        (x + w).sum().backward(create_graph=create_graph)
        with no_grad():
            x.grad.zero_()
        equal(w.grad, [1.0, 1.0])


def test_a_gradient_passed_in_is_not_changed_by_accumulation():
    x, g = leaf(1.0, 2.0), wrap(np.ones(2))
    for _ in range(2):
        (x + 0.0).backward(g)
    equal(g, [1.0, 1.0])
    equal(x.grad, [2.0, 2.0])


def test_accumulating_onto_a_gradient_made_with_create_graph():
    x = leaf(1.0, 2.0)
    x.sum().backward(create_graph=True)
    x.sum().backward()
    equal(x.grad, [2.0, 2.0])
    x = leaf(1.0, 2.0)
    (x * x).sum().backward(create_graph=True)
    first = x.grad
    (x * x).sum().backward()
    equal(x.grad, [4.0, 8.0])
    equal(first, [2.0, 4.0])


def test_python_numbers_are_weak():
    x = leaf(1.0, dtype=np.float32)
    for y in (x * 0.5, 0.5 * x, x + 1, 2 / x, x**2.0, x - np.float64(0.5)):
        assert y.dtype == np.float32
