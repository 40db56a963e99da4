"""The page of gpu_report.sh, from its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tilings import APART, against, best, summary

from tinygan.cli.bench.measure import ratios
from tinygan.cli.bench.workloads import EXACT

Found = dict[str, Any]
WAYS = ("to device", "to host")


def markdown(report: Found) -> str:
    """All sections; one whose part has nothing is left out."""
    lines = ["# Measured on a GPU", "", *_machine(report), ""]
    sections = (
        ("Parts", _parts),
        ("Tests", _tests),
        ("Ceilings", _ceilings),
        ("Training steps", _steps),
        ("In other precisions, and compiled", _more),
        ("Operations", _ops),
        ("Tiles of products", _tilings),
        ("Transfers", _transfers),
        ("Registers", _registers),
        ("What failed", _failures),
    )
    for title, section in sections:
        body = list(section(report))
        if body:
            lines += [f"## {title}", "", *body, ""]
    return "\n".join(lines).rstrip() + "\n"


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of Markdown, numbers to the right; none without rows."""
    if not rows:
        return []
    head = [f"| {' | '.join(headings)} |", f"|---|{'--:|' * (len(headings) - 1)}"]
    return head + [f"| {' | '.join('' if x is None else str(x) for x in row)} |" for row in rows]


def _machine(report: Found) -> Iterator[str]:
    machine = report["environment"]
    device = machine.get("gpu_properties", {})
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    gpu = machine.get("gpu", "no GPU")
    if device:
        gpu += f" ({device['multiprocessors']} multiprocessors, capability {device['capability']}, "
        gpu += f"driver for CUDA {device['driver']}, CUDA {device['runtime']})"
    yield f"{report['when']}: {gpu}; {machine['cores']} cores of {machine['cpu']}; {versions}."
    yield "By `benchmarks/gpu_report.sh`; everything measured is in `gpu.json`."


def _found(report: Found, part: str, key: str) -> Any:
    return report.get(part, {}).get("found", {}).get(key, {})


def _parts(report: Found) -> list[str]:
    rows = []
    for name, part in report.items():
        if isinstance(part, dict) and "code" in part:
            ends = {0: "whole", 124: "cut off", 125: "no time was left", 137: "cut off"}
            rows.append(
                (name, ends.get(part["code"], f"exit code {part['code']}"), part["seconds"])
            )
    return table(("part", "", "seconds"), rows)


def _tests(report: Found) -> Iterator[str]:
    rows = []
    for name in ("tests-gpu", "tests-kernels"):
        counts = report[name].get("counts", {})
        kinds = ("PASSED", "FAILED", "ERROR", "SKIPPED")
        if counts:
            rows.append((name, *(counts.get(kind, 0) for kind in kinds)))
    yield from table(("", "passed", "failed", "errors", "skipped"), rows)
    failed = [test for name in ("tests-gpu", "tests-kernels") for test in report[name]["failed"]]
    if failed:
        yield ""
        yield from (f"- failed: `{test}`" for test in failed[:60])


def _ceilings(report: Found) -> list[str]:
    cuda, cpu = _found(report, "ceilings", "cuda"), _found(report, "ceilings", "cpu")
    products = {
        "our product, float32": "product",
        "cuBLAS, float32": "cublas",
        "our product, TF32 in three": "product_tf32x3",
        "our product, TF32": "product_tf32",
        "cuBLAS, TF32": "cublas_tf32",
    }
    copies = {
        "copy in memory": "copy",
        "sum in memory": "add",
        "sum within the cache": "add_in_cache",
    }
    rows: list[Sequence[object]] = []
    for text, key in products.items():
        if cuda.get(key):
            rows.append((f"GPU: {text}", f"{cuda[key] / 1e12:.2f} TFLOP/s"))
    for text, key in copies.items():
        if cuda.get(key):
            rows.append((f"GPU: {text}", f"{cuda[key] / 1e9:.0f} GB/s"))
    if cpu:
        rows.append(("CPU: multiply-adds, float32", f"{cpu['flops'] / 1e12:.2f} TFLOP/s"))
        rows.append(("CPU: memory", f"{cpu['memory'] / 1e9:.0f} GB/s"))
    return table(("", "per second"), rows)


def _steps(report: Found) -> Iterator[str]:
    results = _found(report, "steps", "results") or []
    gains = {line["workload"]: line for line in _found(report, "steps", "gains") or []}
    rows = []
    for result in results:
        if result["device"] == "cuda" and result["rows"]:
            gain = gains.get(result["workload"])
            cells = _times(result)
            cells += ["", ""] if gain is None else [f"{1e3 * gain['cpu']:.2f}"]
            if gain is not None:
                cells.append(f"{gain['cpu'] / gain['cuda']:.1f}")
            rows.append(cells)
    yield from table(
        (
            *("step", "kernels", "graphs", "tinygan ms", "eager / tinygan", "by cuDNN"),
            *("torch eager / tinygan", "channels-last", "CUDA graph", "channels-last"),
            *("on the CPU ms", "CPU / GPU"),
        ),
        rows,
    )
    if rows:
        yield ""
        yield (
            "Medians, exact float32 in both frameworks, losses read every 10 ms; `tinygan` is the "
            "recorded step, `by cuDNN` the same with its convolutions, where its frontend is "
            "installed. PyTorch has fused Adam and lets cuDNN try its algorithms. A ratio stands "
            "only where the first losses agree to 1e-3."
        )
    yield from _not_run(results)


def _times(result: Found) -> list[object]:
    ours = result["rows"][0]
    launches = ours["launches"] or {}
    others = {variant: f"{medians:.2f}" for variant, (medians, _) in ratios(result).items()}
    names = ("tinygan eager", "tinygan by cuDNN", "torch eager", "torch eager channels-last",
             "torch CUDA graph", "torch CUDA graph channels-last")  # fmt: skip
    first = f"{1e3 * ours['median']:.3f}" if ours["variant"] == "tinygan" else "did not run"
    return [
        *(result["workload"], launches.get("kernels"), launches.get("graphs"), first),
        *(others.get(name, "") for name in names),
    ]


def _rounded(result: Found, before: str) -> str:
    """How products are rounded, where they are."""
    precision = result.get("precision", EXACT)
    return "" if precision == EXACT else before + precision


def _not_run(results: Sequence[Found]) -> Iterator[str]:
    for result in results:
        where = result["workload"] + _rounded(result, " in ")
        for variant, reason in result["failed"].items():
            yield f"- {where}: {variant} did not run: {reason}"
        for row in result["rows"]:
            if not row["agrees"]:
                yield f"- {where}: {row['variant']} has other first losses: {row['losses']}"


def _more(report: Found) -> Iterator[str]:
    results = _found(report, "steps-more", "results") or []
    rows = []
    for result in results:
        for row in result["rows"]:
            where = result["workload"] + _rounded(result, ", ")
            ratio = ratios(result).get(row["variant"], (1.0, 1.0))[0] if row["agrees"] else ""
            ratio = f"{ratio:.2f}" if ratio else ""
            rows.append((where, row["variant"], f"{1e3 * row['median']:.3f}", ratio))
    yield from table(("step", "variant", "ms", "/ tinygan"), rows)
    yield from _not_run(results)


def _tilings(report: Found) -> Iterator[str]:
    rows = _found(report, "tilings", "rows") or []
    yield from table(
        ("step", "products", "as chosen us", "at best us", "ratio", "more than 1.1 apart"),
        summary(rows),
    )
    if rows:
        yield ""
    yield from table(("product", "as chosen us", "cuBLAS / ours", "cuDNN / ours"), against(rows))
    if rows:
        yield ""
    yield from table(
        ("product", "m, n, k", "calls", "chosen us", "best us", "tile", "parts"),
        [
            (
                f"{row['workload']}, {row['precision']}: {row['what']}",
                ", ".join(map(str, row["sizes"][1:])),
                row["calls"],
                f"{1e6 * row['chosen']:.1f}",
                f"{1e6 * best(row)['seconds']:.1f}",
                best(row)["tile"],
                best(row)["parts"],
            )
            for row in rows
            if row["chosen"] > APART * best(row)["seconds"]
        ],
    )


def _ops(report: Found) -> Iterator[str]:
    lines = _found(report, "ops", "crossings") or []
    best: dict[str, Found] = {}
    for row in _found(report, "ops", "rows") or []:
        if row["device"] == "cuda" and row["size"] == "large":
            known = best.get(row["op"])
            if known is None or row["median"] < known["median"]:
                best[row["op"]] = row
    rows = []
    for line in lines:
        row = best.get(line["op"])
        cells = [f"`{line['op']}`"]
        cells += [f"{line['recorded'][s]:.2g}" if s in line["recorded"] else "" for s in SIZES]
        cells += [str(line[f"{way}_from"] or "never") for way in ("recorded", "eager")]
        if row is not None:
            rate = f"{row['rate'] / 1e9:.0f} {row['unit']}"
            cells += [row["kernel"], f"{1e6 * row['median']:.1f}", rate, f"{row['share']:.0%}"]
        rows.append(cells + [""] * (11 - len(cells)))
    yield from table(
        (
            *("operation", *(f"{size}: CPU / GPU" for size in SIZES)),
            *("GPU wins from", "one by one from Python"),
            *("kernel", "large us", "rate", "of ceiling"),
        ),
        rows,
    )
    if rows:
        yield ""
        yield (
            f"{len(rows)} of {_found(report, 'ops', 'of')} operations. Times of the GPU by events, "
            "without launches; with them in `one by one`. Numbers are those of the largest array."
        )
    for what, reason in (_found(report, "ops", "failed") or {}).items():
        yield f"- {what}: {reason[:200]}"


SIZES = ("tiny", "small", "medium", "large")


def _transfers(report: Found) -> list[str]:
    found = _found(report, "transfers", "rows") or []
    cells = {(r["bytes"], r["way"], r["memory"]): r for r in found}
    rows = []
    for nbytes in dict.fromkeys(row["bytes"] for row in found):
        each = [cells[nbytes, way, memory] for memory in ("ordinary", "pinned") for way in WAYS]
        texts = [f"{1e6 * row['median']:.1f} ({row['rate'] / 1e9:.1f})" for row in each]
        rows.append((nbytes, *texts))
    headings = [f"{way}, {memory}" for memory in ("ordinary", "pinned") for way in WAYS]
    return table(("bytes: us (GB/s)", *headings), rows)


def _registers(report: Found) -> Iterator[str]:
    rows = report["registers"].get("found", [])
    if rows:
        most = max(rows, key=lambda row: row["registers"])
        spilled = [row["kernel"] for row in rows if row["spilled"]]
        yield (
            f"{len(rows)} kernels compiled for sm_{rows[0]['sm']}: at most {most['registers']} "
            f"registers (`{most['kernel']}`), spills in {len(spilled)}{': ' if spilled else ''}"
            f"{', '.join(spilled)}. Each is in [cuda-registers.md](cuda-registers.md)."
        )


def _failures(report: Found) -> Iterator[str]:
    for name, part in report.items():
        if isinstance(part, dict) and part.get("code") and part.get("end_of_output", "").strip():
            yield f"### {name}"
            yield ""
            yield "```"
            yield from part["end_of_output"].strip().replace("```", "'''").splitlines()[-25:]
            yield "```"
