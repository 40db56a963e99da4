"""Write the README's table of training steps from the results that are kept here.

    tinygan bench step --compare torch,jax --json benchmarks/results/step.json \
        --chart benchmarks/results/step.png
    tinygan bench step --under-load --json benchmarks/results/step-under-load.json
    python benchmarks/readme.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tinygan.cli.bench.measure import ratios

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- from benchmarks/readme.py -->\n", "<!-- to here -->\n"
EAGER = ("torch eager", "torch eager channels-last")
UNEVEN = 1.2  # how much a core's own speed may differ between turns before it is worth a word
JITTED = ("torch.compile", "torch.compile step", "jax jit")


def best(found: dict[str, tuple[float, float]], variants: tuple[str, ...]) -> str:
    """The ratio of medians, and of minima, to the fastest of some variants."""
    known = {name: found[name] for name in variants if name in found}
    if not known:
        return "-"
    name = min(known, key=lambda name: known[name])
    medians, minima = known[name]
    note = "" if name == "torch eager" else f" ({name})"
    return f"{medians:.2f}, {minima:.2f}{note}"


def table(report: dict[str, Any], loaded: dict[str, Any]) -> str:
    """The table in Markdown, with what it was measured on."""
    slower = {
        result["workload"]: result["rows"][0]["loaded_median"] / result["rows"][0]["median"]
        for result in loaded["results"]
    }
    lines = [
        "| step | ms (threads) | PyTorch eager / tinygan | best of torch.compile, JAX / tinygan "
        "| peak MiB (PyTorch) | with one core taken |",
        "|---|---|---|---|---|---|",
    ]
    for result in report["results"]:
        if result.get("device", "cpu") != "cpu":
            continue
        ours, found = result["rows"][0], ratios(result)
        peaks = {row["variant"]: row["peak"] / 2**20 for row in result["rows"]}
        torch = min((peaks[name] for name in EAGER if name in peaks), default=0.0)
        lines.append(
            f"| {result['workload']} | {1e3 * ours['median']:.2f} ({ours['threads']}) "
            f"| {best(found, EAGER)} | {best(found, JITTED)} "
            f"| {ours['peak'] / 2**20:.0f} ({torch:.0f}) | x {slower[result['workload']]:.2f} |"
        )
    machine = report["environment"]
    versions = machine["versions"]
    others = "" if report["others"] is None else f"; others took {report['others']:.0%} of it"
    if report.get("pace", 1) > UNEVEN:
        others += f" (and a core's own speed differed by up to x {report['pace']:.1f})"
    lines += [
        "",
        f"Measured on {machine['cores']} cores of an {machine['cpu']} ({machine['system']})"
        f"{others}, with Python {versions['python']}, NumPy {versions['numpy']}, "
        f"Numba {versions['numba']}, PyTorch {versions['torch']} and JAX {versions['jax']}. "
        "Ratios are of medians, then of minima; above 1 tinygan is faster.",
    ]
    return "\n".join(lines) + "\n"


def rewritten(readme: str) -> str:
    """The README with the table as the kept results have it."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not after:
        raise ValueError(f"README.md: expected the lines {BEGIN!r} and {END!r}")
    report, loaded = (
        json.loads((RESULTS / name).read_text()) for name in ("step.json", "step-under-load.json")
    )
    return f"{before}{BEGIN}{table(report, loaded)}{END}{after}"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(rewritten(path.read_text()))
