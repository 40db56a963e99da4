"""Every row of the gradient table holds, on every device, and nothing differentiable lacks one."""

from __future__ import annotations

import gc
import inspect
import json
from types import FunctionType

import numpy as np
import pytest
import strict_cupy

from tinygan import losses, nn
from tinygan.autograd import REGISTRY, Node, Primitive, Tensor, grad, observe, wrap
from tinygan.backend import backend_for
from tinygan.cli.gradients import TABLE, Row
from tinygan.cli.gradients import report as gradient_report

NAMES = {row.name for row in TABLE}


def identify(rows):
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.name] = counts.get(row.name, 0) + 1
        yield f"{row.name}-{counts[row.name]}"


def inputs_of(row: Row, dtype, device="cpu"):
    random = np.random.default_rng(0)
    backend = backend_for(device)
    result = []
    for domain in row.domains:
        array = domain(random)
        array = array.astype(dtype) if array.dtype.kind == "f" else array
        x = wrap(backend.from_host(array))
        result.append(x.requires_grad_(x.is_floating_point()))
    return result


def differentiated(row: Row, inputs):
    """The outputs of a row and its gradients of both orders, for seeds of ones."""
    varied = [x for x in inputs if x.requires_grad]
    y = row.function(*inputs)
    outputs = [t for t in ([y] if isinstance(y, Tensor) else y) if t.requires_grad]
    xp = backend_for(inputs[0].device).xp
    seeds = [wrap(xp.ones_like(t.array)).requires_grad_() for t in outputs]
    found = grad(outputs, varied, seeds, create_graph=True, allow_unused=True)
    first = [g for g in found if g is not None]
    live = [g for g in first if g.requires_grad]
    second = []
    if live:
        ones = [wrap(xp.ones_like(g.array)) for g in live]
        second = [
            g for g in grad(live, [*varied, *seeds], ones, allow_unused=True) if g is not None
        ]
    return outputs, seeds, first, second


every_row = pytest.mark.parametrize("row", TABLE, ids=list(identify(TABLE)))


@every_row
def test_a_row_holds(row, device):
    report = row.run(device)
    assert report.worst <= row.tolerance
    assert not report.kinks, "the domain is meant to keep away from kinks"
    assert set(report.errors) == set(range(1, row.order + 1))


@every_row
def test_types_are_kept(row):
    """float32 in, float32 out, also the gradients of both orders: Python numbers are weak."""
    if row.name == "cast":
        pytest.skip("it is there to change types")
    inputs = inputs_of(row, np.float32)
    wide = []
    with observe(lambda op, y: wide.append(op.name) if y.dtype == np.float64 else None):
        outputs, _, first, second = differentiated(row, inputs)
    for t in (*outputs, *first, *second):
        assert t.dtype == np.float32
    if row.name != "optim.look_ahead":  # an optimizer's own numbers are float64
        assert not wide, "these ops computed in float64"


@every_row
def test_a_walk_changes_nothing_and_repeats_bit_for_bit(row):
    inputs = inputs_of(row, np.float64)
    before = [x.array.copy() for x in inputs]
    results = []
    for _ in range(2):
        outputs, seeds, first, second = differentiated(row, inputs)
        results.append([t.array.copy() for t in (*outputs, *first, *second)])
        for x, array in zip(inputs, before, strict=True):
            np.testing.assert_array_equal(x.array, array)
        for u in seeds:
            np.testing.assert_array_equal(u.array, 1.0)
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(backend_for("cuda").xp.__name__ == "cupy", reason="CuPy cannot refuse it")
@every_row
def test_nothing_is_read_back_to_the_host(row):
    inputs = inputs_of(row, np.float32, "cuda")
    if row.name in ("take", "put") and any(x.dtype == np.bool_ for x in inputs):
        pytest.skip("how many places a mask picks has to be read")
    with strict_cupy.no_synchronization():
        differentiated(row, inputs)


def strided(array):
    """The same numbers with gaps between them, in reverse, in memory that begins elsewhere."""
    room = np.full([2 * n + 1 for n in array.shape], np.nan if array.dtype.kind == "f" else 0)
    room = room.astype(array.dtype)
    view = room[(..., *(slice(2 * n - 1, None, -2) for n in array.shape))]
    view[...] = array
    return view


LAYOUTS = {
    "Fortran": lambda a: np.array(a, order="F"),
    "strided": strided,
    "channels last": lambda a: (
        np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) if a.ndim > 2 else a
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_row
def test_the_layout_in_memory_does_not_matter(row, dtype):
    """float32 takes the compiled kernels where there are any, and must agree with float64."""
    drawing = ("losses.gradient_penalty", "losses.divergence_penalty", "losses.dragan", "nn.RReLU")
    if (row.name in drawing or row.name.startswith("augment.")) and dtype == np.float32:
        pytest.skip("the random numbers of one type are not those of another")
    plain = inputs_of(row, np.float64)
    outputs, _, first, second = differentiated(row, plain)
    expected = [t.array for t in (*outputs, *first, *second)]
    tolerance = 1e-9 if dtype == np.float64 else 2e-3
    for layout in LAYOUTS.values():
        inputs = [
            wrap(layout(x.array.astype(dtype) if x.requires_grad else x.array)).requires_grad_(
                x.requires_grad
            )
            for x in plain
        ]
        outputs, _, first, second = differentiated(row, inputs)
        for t, y in zip((*outputs, *first, *second), expected, strict=True):
            scale = np.abs(y).max(initial=1.0)
            np.testing.assert_allclose(t.array / scale, y / scale, atol=tolerance)


def test_no_row_leaves_a_cycle():
    """Every graph of both orders is freed by reference counts alone."""
    gc.collect()
    gc.disable()
    try:
        before = {id(o) for o in gc.get_objects() if type(o) is Node}
        for row in TABLE:
            differentiated(row, inputs_of(row, np.float64))
        nodes = [o for o in gc.get_objects() if type(o) is Node and id(o) not in before]
        assert not {str(node.op) for node in nodes}
    finally:
        gc.enable()


def test_the_rows_of_an_op_run_it():
    ran: dict[str, set[str]] = {}
    for row in TABLE:
        seen = ran.setdefault(row.name, set())
        with observe(lambda op, y, seen=seen: seen.add(op.name)):
            y = row.function(*inputs_of(row, np.float64))
            assert isinstance(y, Tensor) or any(t.requires_grad for t in y)
    assert not [name for name in ran if name in REGISTRY and name not in ran[name]]


def test_an_op_that_is_no_view_gives_memory_of_its_own(monkeypatch):
    """Otherwise an in-place change of its result or its input would pass unnoticed."""
    # one is meant for two devices and called on one here, the other works in place
    wrong, known = set(), {"copy_to", "move_running"}
    compute = Primitive.compute

    def watched(self, arrays, static, out=None):
        y = compute(self, arrays, static, out)
        inputs = [a for a in arrays if isinstance(a, np.ndarray)]
        if not self.view and any(np.may_share_memory(y, a) for a in inputs):
            wrong.add(self.name)
        return y

    monkeypatch.setattr(Primitive, "compute", watched)
    for row in TABLE:
        row.run()
    assert not wrong - known


def test_every_op_with_a_derivative_has_a_row():
    ops = {
        name
        for name, op in REGISTRY.items()
        if op.rules and op.reference.__module__.startswith("tinygan.")
    }
    assert not ops - NAMES


RULES = [
    (op, i)
    for op in REGISTRY.values()
    if op.reference.__module__.startswith("tinygan.")
    for i in op.rules
]


@pytest.mark.parametrize(("op", "i"), RULES, ids=[f"{op}-{op.inputs[i]}" for op, i in RULES])
def test_an_error_of_one_percent_in_any_rule_fails_a_row(op, i, monkeypatch):
    """So each rule is run by a row of its op, at a point where it matters."""
    rule, zero = op.rules[i], []
    right = rule.function

    def off(g):
        zero.append(g is None)
        return g if g is None else g * 1.01

    def wrong(g, *arguments):
        result = right(g, *arguments)
        if op.joint is None:
            return off(result)
        return [off(each) if position == i else each for position, each in enumerate(result)]

    monkeypatch.setattr(rule, "function", wrong)
    rows = [row for row in TABLE if row.name == op.name]
    caught = any(not row.run().worst <= row.tolerance for row in rows)
    assert caught or (zero and all(zero))  # a gradient that is zero everywhere cannot be off


def test_every_loss_game_and_penalty_has_a_row():
    functions = {
        name
        for name in losses.__all__
        if isinstance(getattr(losses, name), FunctionType) and name not in ("game", "penalty")
    }
    expected = functions | set(losses.GAMES) | set(losses.PENALTIES)
    assert not {f"losses.{name}" for name in expected} - NAMES


CONTAINERS = {
    "ConditionalSequential",
    "Module",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
}


def test_every_layer_has_a_row():
    layers = {
        name
        for name, value in vars(nn).items()
        if inspect.isclass(value) and issubclass(value, nn.Module) and not name.startswith("_")
    }
    assert not {f"nn.{name}" for name in layers - CONTAINERS} - NAMES


# -- the printed table ------------------------------------------------------------------------


def test_the_json_form_is_a_list_of_objects(capsys):
    assert gradient_report.gradcheck("conv2d", True) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["op"], line["order"], line["passed"], line["kinks"]) == ("conv2d", 3, True, 0)
    assert 0 < line["error"] < line["tolerance"]


def test_the_printed_form_names_the_ops_and_the_worst_error(capsys):
    assert gradient_report.gradcheck("hinge", False) == 0
    out = capsys.readouterr().out
    assert "losses.hinge" in out
    assert "2 cases of losses.hinge: all pass; worst" in out


def test_a_wrong_row_fails_the_run(monkeypatch, capsys):
    def wrong(x):
        return x * x.detach()

    def broken(x):
        return x.no_such_method()

    def normal(random):
        return random.standard_normal(3)

    def missing(x):
        return x * float("nan")

    rows = [Row(f.__name__, f, (normal,)) for f in (wrong, broken, missing)]
    monkeypatch.setattr(gradient_report, "TABLE", rows)
    assert gradient_report.gradcheck(None, False) == 1
    out = capsys.readouterr().out
    assert out.count("FAIL ") == 3
    assert "measured" in out
    assert "FAILED broken, missing, wrong" in out
    assert "no_such_method" in out
    assert gradient_report.gradcheck(None, True) == 1
    lines = json.loads(capsys.readouterr().out)
    assert [line["passed"] for line in lines] == [False] * 3
    assert [line["error"] is None for line in lines] == [True, True, False]


def test_an_unknown_op_is_answered_with_the_nearest():
    from tinygan.backend.errors import UserError

    with pytest.raises(UserError, match="unknown op 'con2d'; did you mean 'conv2d'"):
        gradient_report.gradcheck("con2d", False)
