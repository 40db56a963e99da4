"""The table that summary() prints, with Keras's columns and widths."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from tinygan.keras.symbolic import Node, flat, over

if TYPE_CHECKING:
    from tinygan.keras.layer import Layer
    from tinygan.keras.model import Model
    from tinygan.keras.variable import Variable

STRAIGHT = (88, (0.45, 0.80, 1.0))  # the width of the table, and where the columns end
BRANCHED = (108, (0.3, 0.56, 0.74, 1.0))


def print_summary(
    model: Model,
    line_length: int | None,
    print_fn: Any,
    expand_nested: bool,
    show_trainable: bool,
) -> None:
    from rich.console import Console
    from rich.table import Table

    straight = _is_straight(model)
    ends: tuple[float, ...]
    width, ends = STRAIGHT if straight else BRANCHED
    header = [("Layer (type)", "left"), ("Output Shape", "left"), ("Param #", "right")]
    if not straight:
        header.append(("Connected to", "left"))
    if show_trainable:
        width += 12
        ends = (*[end * 0.90 for end in ends], 1.0)
        header.append(("Trainable", "center"))
    width = line_length or min(width, shutil.get_terminal_size().columns - 4)
    table = Table(width=width, show_lines=True)
    current = 0
    for (title, side), end in zip(header, ends, strict=True):
        column = int(end * width) - current
        current += column
        table.add_column(title, justify=side, width=column)  # type: ignore[arg-type]
    for layer, level in _listed(model.layers, expand_nested, 0):
        cells = [_name(layer, level), _shape(layer), _count(layer)]
        if not straight:
            cells.append(_connections(layer, model))
        if show_trainable:
            mark = "[bold][color(34)]Y[/][/]" if layer.trainable else "[bold][color(9)]N[/][/]"
            cells.append(mark if layer.weights else "[bold]-[/]")
        table.add_row(*cells)
    captured = print_fn is not None
    console = Console(highlight=False, **({"color_system": None} if captured else {}))  # type: ignore[arg-type]
    with console.capture() if captured else _Shown() as capture:
        console.print(f'[bold]Model: "{model.name}"[/]')
        console.print(table)
        for title, count, size in _totals(model):
            console.print(f"[bold] {title}: [/][color(34)]{count:,}[/] ({_bytes(size)})")
    if captured:
        print_fn(capture.get())


class _Shown:
    """Where nothing is captured."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None: ...


def _listed(layers: list[Layer], inside: bool, level: int) -> list[tuple[Layer, int]]:
    found = []
    for layer in layers:
        found.append((layer, level))
        if inside and getattr(layer, "layers", None):
            found += _listed(layer.layers, inside, level + 1)
    return found


def _name(layer: Layer, level: int) -> str:
    before = "   " * level + "└ " if level else ""
    return f"{before}{layer.name} ([color(33)]{type(layer).__name__}[/])"


def _shape(layer: Layer) -> str:
    if not layer.nodes:
        return "?"

    def written(x: Any) -> str:
        sizes = [f"[color({45 if n is None else 34})]{n}[/]" for n in x.shape]
        return f"({', '.join(sizes)})"

    shapes = over(written, layer.nodes[-1].outputs)
    return shapes if isinstance(shapes, str) else str(shapes).replace("'", "")


def _count(layer: Layer) -> str:
    if not layer.built:
        return "[color(34)]0[/] (unbuilt)"
    return f"[color(34)]{layer.count_params():,}[/]"


def _is_straight(model: Model) -> bool:
    """Whether every layer is called once, on the result of the one before."""
    from tinygan.keras.model import Sequential

    if isinstance(model, Sequential) or model.graph is None:
        return True
    nodes = model.graph.nodes
    made = [id(x.node) for node in nodes for x in node.inputs]
    return (
        all(len(node.inputs) <= 1 for node in nodes)
        and len(made) == len(set(made))
        and len({id(node.layer) for node in nodes}) == len(nodes)
        and len(flat(model.graph.outputs)) == 1
    )


def _connections(layer: Layer, model: Model) -> str:
    own: list[Node] = [] if model.graph is None else model.graph.nodes
    found = [
        f"{x.name}[[color(34)]{x.node.number}[/]][[color(34)]{x.index}[/]]"
        for node in layer.nodes
        if node in own
        for x in node.inputs
    ]
    return ", ".join(found) or "-"


def _totals(model: Model) -> list[tuple[str, int, int]]:
    """Numbers and bytes: all, what is trained, what is not, what the optimizer keeps."""

    def of(variables: list[Variable]) -> tuple[int, int]:
        arrays = [v.tensor.array for v in variables]
        return sum(a.size for a in arrays), sum(a.nbytes for a in arrays)

    learned, fixed = of(model.trainable_weights), of(model.non_trainable_weights)
    kept: tuple[int, int] | None = None
    if model.optimizer is not None and model.optimizer.inner is not None:
        count, size = model.optimizer.kept()
        kept = count, size
    rows = [learned, fixed, kept or (0, 0)]
    total = ("Total params", sum(r[0] for r in rows), sum(r[1] for r in rows))
    titles = ("Trainable params", "Non-trainable params", "Optimizer params")
    shown = zip(titles, rows if kept else rows[:2], strict=False)
    return [total, *[(title, *row) for title, row in shown]]


def _bytes(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} TB"
