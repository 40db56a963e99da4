"""Metrics on their way from the device to the host, which does not wait for them."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, no_grad
from tinygan.backend import backend_of
from tinygan.distributed import world
from tinygan.ops import stack


class Metrics:
    """What some steps returned, a dict of tensors and numbers for each; they set off at once.

    Steps that were looked at have a `Looked` as "diagnostics".
    """

    def __init__(self, steps: list[dict[str, Any]]) -> None:
        self._steps = steps
        self._looks = [
            (number, looked, backend_of(looked.values.array).fetch(looked.values.array))
            for number, step in enumerate(steps)
            if (looked := step.pop("diagnostics", None)) is not None
        ]
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
        values = _mean(self._arrive()).reshape(len(self), -1)
        rows = [dict(zip(self._names, row, strict=True)) for row in values.tolist()]
        records = [{**step, **row} for step, row in zip(self._steps, rows, strict=True)]
        for number, looked, arrive in self._looks:
            found = [x if isfinite(x) else None for x in _mean(arrive()).tolist()]
            records[number]["diagnostics"] = looked.record(found)
        return records


def _mean(values: np.ndarray) -> np.ndarray:
    """In float64, over the ranks."""
    values = values.astype(np.float64)
    world().all_reduce(values)
    return values / world().size
