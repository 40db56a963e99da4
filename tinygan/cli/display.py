"""What a training run shows: a live panel in a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from types import TracebackType
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tinygan.backend.progress import on_compile
from tinygan.cli.halfblock import can_show, half_blocks
from tinygan.train.detectors import Event

RECENT = 10  # reports that the speed is taken over: the first step compiles and tells little


class Screen(Console):
    """Where a training is told of; silent, and `gone`, when nobody reads it any more (`| head`)."""

    gone = False

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, **options)  # paths may have square brackets

    def on_broken_pipe(self) -> None:
        self.gone = self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Display:
    """Shows metrics and samples as they come; a context manager around the training."""

    def __init__(self, console: Console, steps: int, start: int, tile: int) -> None:
        self.console, self.steps, self.tile = console, steps, tile
        self.recent = deque([(start, time.perf_counter())], RECENT)
        self.shows_pictures = can_show(console)
        self.progress = Progress(
            BarColumn(None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.1f} steps/s"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
        )
        self.task = self.progress.add_task("train", total=steps, completed=start, rate=0.0)
        self.line = ""
        self.looked = ""
        self.events: list[Event] = []
        self.picture: Any = ""
        self.live: Live | None = None
        on_compile(self._compiling)

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self.live = Live(self._panel(), console=self.console, refresh_per_second=8)
            self.live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live is not None:
            self.live.__exit__(kind, error, trace)
            self.live = None

    def metrics(self, record: dict[str, Any]) -> None:
        step = record["step"]
        now = time.perf_counter()
        since, then = self.recent[0]
        rate = (step - since) / (now - then)
        self.recent.append((step, now))
        self.line = (
            f"loss D {record['d_loss']:.3f}  G {record['g_loss']:.3f}   "
            f"D(x) {record['d_real']:.2f}  D(G(z)) {record['d_fake']:.2f}   "
            f"gradient norm D {record['d_grad_norm']:.2g}  G {record['g_grad_norm']:.2g}"
        )
        if "diagnostics" in record:
            self.looked = looked_line(record["diagnostics"])
        if self.live is None:
            if step % max(1, self.steps // 20) == 0 or step == self.steps:
                left = (self.steps - step) / rate
                self.console.print(
                    f"step {step}/{self.steps}  {rate:.1f} steps/s  {left:.0f} s left  {self.line}",
                    soft_wrap=True,
                    highlight=False,
                )
            return
        self.progress.update(self.task, completed=step, rate=rate)
        self.live.update(self._panel())

    def samples(self, step: int, picture: np.ndarray) -> None:
        if self.live is not None and self.shows_pictures:
            size = self.console.size
            self.picture = half_blocks(picture, size.width - 1, size.height - 7, self.tile)
            self.live.update(self._panel())

    def event(self, event: Event) -> None:
        self.events.append(event)
        self.console.print(f"step {event.step}: {event.says}", soft_wrap=True, highlight=False)

    def _compiling(self, name: str, seconds: float | None) -> None:
        if self.live is not None and seconds is None:
            self.line = f"compiling {name} (once, then cached)"
            self.live.update(self._panel(), refresh=True)

    def _panel(self) -> Group:
        return Group(self.progress, self.line, self.looked, self.picture)


def looked_line(look: dict[str, Any]) -> str:
    """The figures of a look in a line; those that are not finite are left out."""
    shown = {
        "real_logit": "logit real {:.2g}",
        "fake_logit": "generated {:.2g}",
        "real_accuracy": "D right on real {:.0%}",
        "fake_accuracy": "on generated {:.0%}",
        "penalty": "penalty {:.2g}",
        "spread": "spread {:.2f}",
        "modes": "modes {:.0f}",
        "classes": "classes {:.0f}",
    }
    return "  ".join(
        text.format(look[name]) for name, text in shown.items() if look.get(name) is not None
    )


def tell_of_compiling(console: Console) -> None:
    """Print one line when the first kernel is compiled, which a user would take for a halt."""
    told = False

    def tell(name: str, seconds: float | None) -> None:
        nonlocal told
        if not told:
            told = True
            console.print(
                f"compiling kernels for this machine (once, then cached), first {name}",
                highlight=False,
            )

    on_compile(tell)
