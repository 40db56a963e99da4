"""Products against NumPy's, their errors, and how they treat memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygan as tg
import tinygan.ops as F
from tinygan.autograd import grad, observe, wrap
from tinygan.backend import backend_for, host_array


def tensors(device, *arrays):
    return [wrap(backend_for(device).from_host(np.asarray(a))) for a in arrays]


def close(x, expected):
    np.testing.assert_allclose(host_array(x.array), expected, rtol=1e-12, atol=1e-14)


sizes = st.integers(1, 3)


@st.composite
def products(draw):
    i, j, k = draw(st.tuples(sizes, sizes, sizes))
    batch = draw(st.lists(sizes, max_size=2))
    left = [draw(st.sampled_from([n, 1])) for n in batch]
    right = [draw(st.sampled_from([n, 1])) for n in batch]
    left, right = left[draw(st.integers(0, 2)) :], right[draw(st.integers(0, 2)) :]
    return (*left, i, j)[draw(st.booleans()) * (len(left) + 1) :], (
        (j,) if draw(st.booleans()) else (*right, j, k)
    )


@given(products())
def test_matmul_is_numpys(pair):
    random = np.random.default_rng(0)
    x, w = (random.standard_normal(shape) for shape in pair)
    for device in ("cpu", "cuda"):
        close(F.matmul(*tensors(device, x, w)), np.matmul(x, w))


@st.composite
def equations(draw):
    """Up to three operands over up to five letters, and some of these as the result's."""
    size = dict(zip("abcde", draw(st.tuples(*[sizes] * 5)), strict=True))
    terms = draw(
        st.lists(
            st.lists(st.sampled_from("abcde"), max_size=4, unique=True), min_size=1, max_size=3
        )
    )
    used = sorted(set().union(*terms))
    output = draw(st.permutations(used).flatmap(lambda p: st.sampled_from([p, p[:1], p[:2], []])))
    inputs = ",".join("".join(term) for term in terms)
    shapes = [[size[c] for c in term] for term in terms]
    return f"{inputs}->{''.join(output)}", shapes


@given(equations())
@settings(max_examples=150)
def test_einsum_is_numpys(case):
    equation, shapes = case
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(shape) for shape in shapes]
    close(F.einsum(equation, *map(wrap, arrays)), np.einsum(equation, *arrays))


def test_einsum_on_the_device():
    arrays = [np.random.default_rng(0).random(shape) for shape in ((2, 3, 3), (3, 4))]
    close(F.einsum("bii,ij->bj", *tensors("cuda", *arrays)), np.einsum("bii,ij->bj", *arrays))


def test_linear_is_x_wt_plus_b(device):
    random = np.random.default_rng(0)
    x, w, b = (random.standard_normal(shape) for shape in ((4, 5, 3), (2, 3), (2,)))
    close(F.linear(*tensors(device, x, w, b)), x @ w.T + b)
    close(F.linear(*tensors(device, x, w)), x @ w.T)
    close(F.linear(*tensors(device, x[0, 0], w, b)), x[0, 0] @ w.T + b)


def test_linear_and_its_gradients_are_a_product_each():
    x, w = (wrap(np.ones(shape)).requires_grad_() for shape in ((4, 3), (2, 3)))
    b = wrap(np.ones(2)).requires_grad_()
    seen = []
    with observe(lambda op, y: seen.append(op.name)):
        y = F.linear(x, w, b)
        grad(y, (x, w, b), wrap(np.ones((4, 2))))
    assert sorted(seen) == ["linear", "matmul", "matmul", "permute", "sum_to_size"]


def test_linear_writes_into_nothing_of_its_inputs():
    x, w, b = wrap(np.ones((2, 3))), wrap(np.ones((3, 3))), wrap(np.ones(3))
    F.linear(x, w, b)
    for t in (x, w, b):
        assert (t.array == 1).all()


def test_the_gradient_of_a_sum_over_a_batch_is_one_product():
    x = wrap(np.ones((5, 4, 3))).requires_grad_()
    w = wrap(np.ones((3, 2))).requires_grad_()
    shapes = []
    with observe(lambda op, y: shapes.append(y.shape) if op.name == "matmul" else None):
        grad(x @ w, w, wrap(np.ones((5, 4, 2))))
    assert (5, 3, 2) not in shapes  # a product for each of the five, summed afterwards


ERRORS = [
    (lambda x: x @ x, ValueError, r"matmul: the last size of \(2, 3\) must equal the second to"),
    (lambda x: x @ x[:, 0], ValueError, r"must equal the only size of \(2,\)"),
    (lambda x: x @ x[0, 0], ValueError, "matmul: expected at least one dimension on both sides"),
    (lambda x: x @ x.T.double(), TypeError, "matmul: expected one dtype, got float32 and float64"),
    (lambda x: F.linear(x, x.double()), TypeError, "linear: .* got float32 and float64"),
    (lambda x: F.linear(x, x.T), ValueError, r"linear: expected x .* got \(2, 3\) and \(3, 2\)"),
    (lambda x: F.linear(x, x, x[0]), ValueError, r"linear: expected bias \(2,\), got \(3,\)"),
    (lambda x: F.mm(x[None], x), ValueError, r"mm: expected a 2-D and a 2-D .* \(1, 2, 3\)"),
    (lambda x: F.bmm(x[None], x.T.expand(2, 3, 2)), ValueError, "bmm: expected batches of one"),
    (lambda x: F.dot(x, x), ValueError, "dot: expected a 1-D and a 1-D tensor"),
    (lambda x: F.einsum("ij,jk", x), ValueError, "names 2 operands, 1 were given"),
    (lambda x: F.einsum("i", x), ValueError, r"the subscripts 'i' do not fit .* \(2, 3\)"),
    (lambda x: F.einsum("ij,jk", x, x), ValueError, "the subscript 'j' stands for sizes 3 and 2"),
    (lambda x: F.einsum("ii", x), ValueError, "the subscript 'i' stands for sizes 2 and 3"),
    (lambda x: F.einsum("ii", x[:1]), ValueError, "'i', twice in one operand, stands for sizes"),
    (lambda x: F.einsum("ij->k", x), ValueError, "must be different and occur in an operand"),
    (lambda x: F.einsum("1j", x), ValueError, "is no equation"),
    (lambda x: F.bilinear(x, x, x), ValueError, r"bilinear: expected x1 \(..., i\)"),
]


@pytest.mark.parametrize(("f", "kind", "message"), ERRORS)
def test_errors_say_what_was_given_and_expected(f, kind, message):
    with pytest.raises(kind, match=message):
        f(tg.zeros(2, 3))


def test_products_refuse_to_mix_devices():
    (x,), (w,) = tensors("cpu", np.ones((2, 2))), tensors("cuda", np.ones((2, 2)))
    with pytest.raises(RuntimeError, match="matmul: arguments on two devices, cpu and cuda"):
        x @ w
