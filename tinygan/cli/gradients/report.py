"""The gradient table, run and printed: `tinygan gradcheck`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from tinygan.backend.errors import UserError, unknown
from tinygan.cli.gradients.table import TABLE, Row


@dataclass
class Line:
    """What the rows of one op have shown: the worst relative error up to `order`."""

    op: str
    order: int
    cases: int
    error: float | None  # None if a case could not be run
    tolerance: float
    kinks: int
    passed: bool
    message: str = ""


def run(op: str | None = None, device: str = "cpu", seed: int = 0) -> Iterator[Line]:
    """One line for each op of the table, or for a single one, as they are computed."""
    rows: dict[str, list[Row]] = {}
    for row in TABLE:
        rows.setdefault(row.name, []).append(row)
    if op is not None:
        names = [op] if op in rows else [name for name in rows if name.split(".")[-1] == op]
        if not names:
            raise UserError(unknown("op", op, rows))
        rows = {name: rows[name] for name in names}
    for name in sorted(rows, key=lambda name: ("." in name, name.lower())):
        yield _line(name, rows[name], device, seed)


def _line(name: str, rows: list[Row], device: str, seed: int) -> Line:
    line = Line(name, max(r.order for r in rows), len(rows), 0.0, rows[0].tolerance, 0, True)
    for row in rows:
        line.tolerance = max(line.tolerance, row.tolerance)
        try:
            report = row.run(device, seed)
        except Exception as error:
            line.error, line.passed = None, False
            line.message = f"{type(error).__name__}: {error}"
            return line
        worst = report.worst
        line.kinks += bool(report.kinks)
        if not worst <= row.tolerance:
            line.passed = False
            order = next(n for n, e in report.errors.items() if not e <= row.tolerance)
            analytic, numeric = report.numbers[order]
            line.message = f"order {order}: {analytic:.6g} by the rule, {numeric:.6g} measured"
        assert line.error is not None
        line.error = math.nan if math.isnan(worst + line.error) else max(worst, line.error)
    return line


def as_json(lines: Iterable[Line]) -> str:
    """A list of objects; an error that is no number is null."""
    records = [asdict(line) for line in lines]
    for record in records:
        if record["error"] is not None and math.isnan(record["error"]):
            record["error"] = None
    return json.dumps(records, indent=1, allow_nan=False)


def gradcheck(op: str | None, as_list: bool) -> int:
    """Run the table, or one op's rows, print it, and return 1 if a row failed, else 0."""
    if as_list:
        lines = list(run(op))
        print(as_json(lines))
    else:
        lines = _show(run(op))
    return int(not all(line.passed for line in lines))


def _show(lines: Iterator[Line]) -> list[Line]:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    done: list[Line] = []
    with console.status("checking gradients") as status:
        for line in lines:
            done.append(line)
            status.update(f"checking gradients: {len(done)} done, {line.op}")
    table = Table(box=None, header_style="bold")
    table.add_column("op", overflow="fold")
    for title in ("order", "cases", "worst relative error", "kinks"):
        table.add_column(title, justify="right")
    table.add_column("")
    for line in done:
        table.add_row(
            line.op,
            str(line.order),
            str(line.cases),
            "-" if line.error is None else f"{line.error:.1e}",
            str(line.kinks or ""),
            "[green]pass[/]" if line.passed else f"[red]FAIL[/] {line.message}",
        )
    console.print(table)
    what = f"{len(done)} ops, layers and losses"
    failed = [line.op for line in done if not line.passed]
    worst = max((line.error for line in done if line.passed and line.error), default=0.0)
    console.print(
        f"{sum(line.cases for line in done)} cases of {done[0].op if len(done) == 1 else what}: "
        + (f"FAILED {', '.join(failed)}" if failed else f"all pass; worst {worst:.1e}"),
        highlight=False,
    )
    return done
