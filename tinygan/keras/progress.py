"""The progress bar that Keras prints."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

WIDTH = 20
INTERVAL = 0.05  # seconds between two pictures of the bar


class Progress:
    """One line: `1875/1875 ━━━━━━━━━━━━━━━━━━━━ 2s 1ms/step - accuracy: 0.9 - loss: 0.3`.

    In a terminal it is drawn anew while it grows; elsewhere it is printed once, when it is full.
    """

    def __init__(self, target: int | None, verbose: int) -> None:
        self.target, self.verbose = target, verbose
        self.start = time.perf_counter()
        self.after_first: float | None = None
        self.drawn = self.start - INTERVAL
        self.width = 0
        self.live = verbose == 1 and sys.stdout.isatty()

    def due(self) -> bool:
        """Whether the bar would be drawn if there were something new."""
        return self.live and time.perf_counter() - self.drawn >= INTERVAL

    def stepped(self, step: int) -> None:
        """Note when the first step was done, which takes longer than the others."""
        if step == 1 and self.after_first is None:
            self.after_first = time.perf_counter()

    def draw(self, step: int, values: Mapping[str, float], last: bool) -> None:
        now = time.perf_counter()
        per_step = self._per_step(step, now)
        if self.verbose == 2:
            if last:
                count = f"{step}/{self.target or step}"
                text = f"{count} - {now - self.start:.0f}s - {duration(per_step)}{shown(values)}"
                print(text, flush=True)
            return
        if self.target:
            count = f"{step:{len(str(self.target))}d}/{self.target}"
            full = int(WIDTH * step / self.target)
            left = "━" * (WIDTH - full)
            bar = f"\x1b[1m{count}\x1b[0m " + (f"\x1b[32m{'━' * full}\x1b[0m" if full else "")
            bar += f"\x1b[37m{left}\x1b[0m"
            width = len(count) + 1 + WIDTH
        else:
            bar = f"{step:7d}/Unknown"
            width = len(bar)
        clock = f"{now - self.start:.0f}s"
        if self.target and not last:
            clock = remaining(per_step * (self.target - step))
        text = f" {duration(per_step)}{shown(values)}"
        line = f"{bar} \x1b[1m{clock}\x1b[0m{text}"
        width += 1 + len(clock) + len(text)
        begin = "\b" * self.width + "\r" if self.live else ""
        end = " " * (self.width - width) + ("\n" if last else "")
        print(begin + line + end, end="", flush=True)
        self.width, self.drawn = width, now

    def _per_step(self, step: int, now: float) -> float:
        if not step:
            return 0.0
        if self.after_first is not None and step > 1:
            return (now - self.after_first) / (step - 1)
        return (now - self.start) / step


def duration(seconds: float) -> str:
    """2s/step, 3ms/step or 120us/step."""
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/step"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/step"
    return f"{seconds * 1e6:.0f}us/step"


def remaining(seconds: float) -> str:
    """12s, 3:05 or 1:02:03."""
    whole = int(seconds)
    if seconds > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if seconds > 60 else f"{whole}s"


def shown(values: Mapping[str, float]) -> str:
    """` - name: value` for each, with four digits after the point or in scientific notation."""
    parts = [(name, f"{v:.4f}" if abs(v) > 1e-3 else f"{v:.4e}") for name, v in values.items()]
    return "".join(f" - {name}: {text}" for name, text in parts)
