"""`tinygan train --model markov`: a generator that is fitted, and left in a run directory."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from tinygan.backend.errors import UserError
from tinygan.cli.datasets import load_data
from tinygan.cli.display import tell_of_compiling
from tinygan.train.config import Config
from tinygan.train.fit import USED, fit, keep
from tinygan.train.run import Run


def check_options(options: dict[str, Any], model: str) -> None:
    """Refuse the options that a model which is fitted has no use for."""
    useless = [name for name in options if name.replace("-", "_") not in USED]
    if useless:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in useless)
        raise UserError(
            f"{named}: {model} is fitted to the data and not trained by a game; what it takes is "
            + ", ".join(f"--{name.replace('_', '-')}" for name in (*USED, "out"))
        )


def fit_model(config: Config, out: Path, machine: dict[str, Any]) -> None:
    """Fit the model and make its run directory."""
    Run.expect_empty(out)
    console = Console(markup=False)  # paths may have square brackets
    tell_of_compiling(console)
    dataset = load_data(config.data, config.data_dir, config.size, console)
    console.print(
        f"{config.model} on {config.data} ({len(dataset)} samples), into {out}",
        highlight=False,
        soft_wrap=True,
    )
    with console.status("fitting"):
        generator, config, metrics = fit(config, dataset)
    tables = sum(table.numel() for table in generator.state_dict().values())
    notes = {
        **dataset.checksums(),
        "shape": list(dataset.shape),
        "classes": 0,
        "parameters": {"generator": tables},
        **machine,
    }
    run = Run.create(out, config, notes)
    keep(run, generator, metrics, config.seed)
    console.print(
        f"done in {metrics['seconds']:.1f} s: {tables:,} numbers, samples "
        f"{run.samples / 'step-000001.png'}; draw more with\n"
        f"  tinygan sample {quote(str(run.path))}",
        highlight=False,
        soft_wrap=True,
    )
