"""The walk: gradients of outputs by inputs, along the paths that connect them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from tinygan.autograd import hooks
from tinygan.autograd.autocast import products
from tinygan.autograd.gradients import use_gradient
from tinygan.autograd.mode import set_grad_enabled
from tinygan.autograd.node import Node
from tinygan.autograd.tensor import Tensor, wrap
from tinygan.autograd.trace import add_to, made, perform
from tinygan.backend import backend_of


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """sum_k <grad_outputs_k, d outputs_k / d input_i> for every input i, as a tuple.

    With `create_graph` the result can be differentiated again. The graph's saved arrays are freed
    unless `retain_graph` (by default: `create_graph`). An input that no output depends on is an
    error, or None with `allow_unused`. `only_inputs` is there for scripts written for PyTorch; it
    can only be True.
    """
    if not only_inputs:
        raise ValueError("grad: only_inputs must be True; use backward() to fill .grad of leaves")
    started = _started("grad", outputs, grad_outputs)
    inputs, targets = _asked("grad", inputs)
    found = _walk(started, targets, retain_graph, create_graph)
    result: list[Tensor | None] = []
    for i, (x, node) in enumerate(zip(inputs, targets, strict=True)):
        g = found.get(node)
        if node not in found and not allow_unused:
            raise RuntimeError(
                f"grad: input {i}, of shape {tuple(x.shape)}, was not used in the graph of the "
                "outputs; pass allow_unused=True to get None for it"
            )
        result.append(_zeros_like(x) if g is None and node in found else g)
    return tuple(result)


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    inputs: Tensor | Iterable[Tensor] | None = None,
) -> None:
    """Add sum_k <grad_tensors_k, d tensors_k / d leaf> to `.grad` of every leaf they depend on.

    With `inputs` to `.grad` of these alone, which need not be leaves; what lies behind none of
    them is not walked, and its saved arrays are kept.
    """
    started = _started("backward", tensors, grad_tensors)
    if inputs is None:
        found = _walk(started, None, retain_graph, create_graph)
        filled = [(n.tensor() if n.tensor else None, g) for n, g in found.items()]
    else:
        asked, targets = _asked("backward", inputs)
        found = _walk(started, targets, retain_graph, create_graph)
        filled = [(x, found.get(n)) for n, x in dict(zip(targets, asked, strict=True)).items()]
    given = {id(seed.array) for _, seed in started if seed is not None}
    for tensor, g in filled:
        if tensor is None or g is None:
            continue
        use_gradient(tensor)
        if tensor.grad is None:
            # .grad is a tensor of its own, so that zero_() on one leaf's leaves the others'
            shared = g.array.base is not None or id(g.array) in given
            given.add(id(g.array))
            if shared:
                g = g.clone()
            tensor.grad = g
        elif create_graph or tensor.grad.node is not None:
            tensor.grad = tensor.grad + g
        else:
            perform(add_to, tensor.grad.array, g.array, changed=[tensor.grad])


Started = list[tuple[Tensor, Tensor | None]]  # outputs, and the gradient that each starts with


def _started(
    caller: str,
    outputs: Tensor | Sequence[Tensor],
    seeds: Tensor | Sequence[Tensor | None] | None,
) -> Started:
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    if seeds is None:
        seeds = (None,) * len(outputs)
    elif isinstance(seeds, Tensor):
        seeds = (seeds,)
    if len(seeds) != len(outputs):
        raise RuntimeError(
            f"{caller}: {len(outputs)} outputs but {len(seeds)} grad_outputs; one for each is "
            "expected"
        )
    return list(zip(outputs, seeds, strict=True))


def _asked(
    caller: str, inputs: Tensor | Iterable[Tensor]
) -> tuple[tuple[Tensor, ...], tuple[Node, ...]]:
    """The inputs and their nodes, all of which are to be there."""
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if not inputs:
        raise RuntimeError(f"{caller}: inputs is empty; at least one is expected")
    nodes = []
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor):
            raise TypeError(f"{caller}: input {i} is a {type(x).__name__}, expected a Tensor")
        if x.node is None:
            shape = tuple(x.shape)
            raise RuntimeError(f"{caller}: input {i}, of shape {shape}, requires no gradient")
        nodes.append(x.node)
    return inputs, tuple(nodes)


def _walk(
    started: Started,
    targets: Sequence[Node] | None,
    retain_graph: bool | None,
    create_graph: bool,
) -> dict[Node, Tensor | None]:
    """The gradients of the target nodes (None: of all nodes that keep a .grad), zero as None."""
    retain_graph = create_graph if retain_graph is None else retain_graph
    grads: dict[Node, Tensor] = {}
    for output, seed in started:
        if output.node is None:
            raise RuntimeError(
                "the output does not require a gradient: nothing it was computed from does, or it "
                "was computed under no_grad()"
            )
        _add(grads, output.node, _seed(output, seed))
    order = _reachable(list(grads))
    wanted = {n for n in order if n.tensor is not None} if targets is None else set(targets)
    needed, run = set(wanted), set()
    for node in order:  # oldest first, so that the inputs of a node are decided before it
        if any(n in needed for n in node.inputs):
            needed.add(node)
            run.add(node)
    found: dict[Node, Tensor | None] = {n: None for n in order if n in wanted}
    with set_grad_enabled(create_graph), products() as set_precision:
        for node in reversed(order):
            g = grads.pop(node, None)
            if g is None:
                continue
            if hooks.registered:
                g = hooks.hooked(node, g)
            if node in wanted:
                found[node] = g
            if node.op is None or node not in run:
                continue  # nothing behind it is wanted: it is not used up
            if node.saved is None:
                raise RuntimeError(
                    f"{node.op}: the graph was walked before and its saved arrays are freed; pass "
                    "retain_graph=True to the first backward() or grad()"
                )
            set_precision(node.static.get("precision"))  # as in the forward pass
            asked = [source is not None and source in needed for source in node.inputs]
            for source, g_input in zip(
                node.inputs, node.op.input_gradients(node, g, asked), strict=True
            ):
                if source is not None and g_input is not None:
                    _add(grads, source, g_input)
            if not retain_graph:
                node.free()
    return found


def _reachable(roots: list[Node]) -> list[Node]:
    """Every node behind the roots, the oldest first, which is a topological order."""
    seen, stack = set(roots), roots
    while stack:
        for node in stack.pop().inputs:
            if node is not None and node not in seen:
                seen.add(node)
                stack.append(node)
    return sorted(seen, key=attrgetter("index"))


def _add(grads: dict[Node, Tensor], node: Node, g: Tensor) -> None:
    """Accumulate at a node, after summing over what was broadcast and casting to its type."""
    if g.array.shape != node.shape:
        g = g.sum_to_size(node.shape)
    if g.array.dtype != node.dtype:
        g = g.to(node.dtype)
    known = grads.get(node)
    grads[node] = g if known is None else known + g


def _seed(output: Tensor, seed: Tensor | None) -> Tensor:
    if seed is None:
        if output.array.size != 1:
            raise RuntimeError(
                "a gradient can be started by itself at a one-element output only, this one has "
                f"shape {tuple(output.shape)}; pass grad_outputs (gradient= in backward)"
            )
        return wrap(made(backend_of(output.array).xp.ones_like(output.array)))
    if not isinstance(seed, Tensor):
        raise TypeError(
            f"the gradient passed in is a {type(seed).__name__}, expected a Tensor or None"
        )
    if seed.array.shape != output.array.shape:
        raise RuntimeError(
            f"the gradient passed in has shape {tuple(seed.shape)}, the output "
            f"{tuple(output.shape)}"
        )
    return seed


def _zeros_like(x: Tensor) -> Tensor:
    zeros: Any = backend_of(x.array).xp.zeros_like(x.array)
    return wrap(made(zeros))
