"""The commands that measure: operations and training steps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

bench = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Measure operations and training steps."
)
JsonPath = Annotated[Path | None, typer.Option("--json", help="Also write the results as JSON.")]
ChartPath = Annotated[Path | None, typer.Option("--chart", help="Also draw them, into a PNG.")]
Devices = Annotated[
    str,
    typer.Option(
        help="The devices to measure. [cpu, and cuda if there is one]", metavar="cpu,cuda"
    ),
]


@bench.command("ops")
def bench_ops(
    op: Annotated[str | None, typer.Option(help="Only this operation.", show_default=False)] = None,
    size: Annotated[
        str | None, typer.Option(help="tiny, small, medium or large. [all]", show_default=False)
    ] = None,
    devices: Devices = "",
    json: JsonPath = None,
    chart: ChartPath = None,
) -> None:
    """Time every operation by every kernel, as a share of what the device can do.

    With a GPU: also transfers, and from how many numbers on it is faster than the CPU.

    Example: tinygan bench ops --op conv2d --devices cpu,cuda
    """
    from tinygan.cli.bench.ops import bench_ops

    bench_ops(op, size, devices, json, chart)


@bench.command("step")
def bench_step(
    workload: Annotated[
        list[str] | None,
        typer.Option(
            help="classifier, toy, mlp, dcgan28, wgan-gp or dcgan64; may be repeated. [all]"
        ),
    ] = None,
    compare: Annotated[
        str,
        typer.Option(
            help="Frameworks to compare with, where installed. [none]", metavar="torch,jax"
        ),
    ] = "",
    rounds: Annotated[int, typer.Option(help="Turns that each framework takes.")] = 5,
    seconds: Annotated[float, typer.Option(help="Seconds in a turn.")] = 1.0,
    threads: Annotated[
        list[int] | None, typer.Option(help="Threads to choose from. [1, 2 and all]")
    ] = None,
    under_load: Annotated[
        bool, typer.Option("--under-load", help="Again, while another process has a core.")
    ] = False,
    devices: Devices = "",
    precision: Annotated[
        str, typer.Option(help="Of products on the GPU: float32, tf32x3, tf32 or bfloat16.")
    ] = "float32",
    json: JsonPath = None,
    chart: ChartPath = None,
) -> None:
    """Time whole training steps, beside PyTorch's and JAX's in turns, on each device.

    On a GPU everything is exact in float32, or both frameworks use TF32, or autocast to bfloat16;
    tf32x3 is ours alone, beside PyTorch's float32.

    Example: tinygan bench step --workload mlp --compare torch,jax
    """
    from tinygan.cli.bench.steps import bench_steps

    bench_steps(
        workload or [],
        compare,
        rounds,
        seconds,
        threads or [],
        under_load,
        devices,
        precision,
        json,
        chart,
    )
