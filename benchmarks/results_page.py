"""Write docs/results.md from the results of `tinygan reproduce` that are kept here.

tinygan reproduce dirac --out benchmarks/results/reproduce
python benchmarks/results_page.py
"""

from __future__ import annotations

import json
from pathlib import Path

from tinygan.reproduce import EXPERIMENTS
from tinygan.reproduce.results import Document
from tinygan.reproduce.table import headings, machines, notes, rows, total

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "reproduce"
PAGE = ROOT / "docs" / "results.md"

HEAD = """\
# Published results, made again

Each section is what one command prints: the published row, and below it ours, as mean ± standard
error over seeds. Criterion and set-up stand beside the figures, because figures of two criteria
or two set-ups cannot be compared. `tinygan reproduce NAME` runs an experiment, `--quick` a short
form of it. This page is made by `python benchmarks/results_page.py` from the files in
[`benchmarks/results/reproduce`](../benchmarks/results/reproduce).
"""


def page() -> str:
    """The page in Markdown."""
    documents = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    order = list(EXPERIMENTS)
    full = [document for document in documents if not document["quick"]]
    full.sort(key=lambda document: order.index(document["experiment"]))
    return "\n".join([HEAD, *map(section, full)])


def section(document: Document) -> str:
    """One experiment."""
    name = document["experiment"]
    columns = headings(document)
    where = "; ".join(machines(document))
    lines = [
        f"## `{name}`: {document['title']}",
        "",
        f"{document['source']}. `tinygan reproduce {name}`",
        "",
        "| " + " | ".join(columns) + " |",
        "|---|---|" + "---:|" * (len(columns) - 2),
        *("| " + " | ".join(row) + " |" for row in rows(document)),
        "",
    ]
    parts = [
        ("Criterion", document["criterion"]),
        ("Set-up", document["setup"]),
        ("Differences", document["differences"]),
        ("Time", f"{total(document)}, the sum of all trials, each on a thread. {where}."),
    ]
    lines += [f"- **{part}.** {text}" for part, text in parts]
    lines += [f"- *{variant}*: {note}" for variant, note in notes(document)]
    lines.append("")
    for picture, title in (("", "ours beside what was published"), ("-samples", "samples")):
        path = RESULTS / f"{name}{picture}.png"
        if path.exists():
            place = Path("..") / path.relative_to(ROOT)
            lines += [f"![{name}: {title}]({place.as_posix()})", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
