"""Metrics on their way from the device to the host, which does not wait for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.autograd import Tensor, no_grad
from tinygan.backend import backend_of
from tinygan.distributed import world
from tinygan.ops import stack


class Metrics:
    """What some steps returned, a dict of tensors and numbers for each; they set off at once."""

    def __init__(self, steps: list[dict[str, Any]]) -> None:
        self._steps = steps
        self._names = [n for n, x in steps[0].items() if isinstance(x, Tensor)] if steps else []
        if self._names:
            with no_grad():
                values = stack([step[name].detach() for step in steps for name in self._names])
            self._arrive = backend_of(values.array).fetch(values.array)

    def __len__(self) -> int:
        return len(self._steps)

    def arrived(self) -> list[dict[str, Any]]:
        """The same as numbers, which are means over the ranks; waits until they are there."""
        if not self._names:
            return self._steps
        values = self._arrive().astype(np.float64).reshape(len(self), -1)
        world().all_reduce(values)
        values /= world().size
        rows = [dict(zip(self._names, row, strict=True)) for row in values.tolist()]
        return [{**step, **row} for step, row in zip(self._steps, rows, strict=True)]
