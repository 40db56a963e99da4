"""autocast: products of factors that are rounded to half the bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ContextDecorator, contextmanager
from types import TracebackType
from typing import Any

import numpy as np

from tinygan.autograd.mode import state
from tinygan.backend import Device, backend_for
from tinygan.backend.dtypes import bfloat16, float16
from tinygan.backend.rounding import PRECISIONS

TYPES = {"cpu": bfloat16, "cuda": float16}  # the default ones
EVERYWHERE = {precision: dict.fromkeys(TYPES, precision) for precision in PRECISIONS}


class autocast(ContextDecorator):
    """Within it y = x w + b is round(x) round(w) + b: matrix products, linear and convolutions.

    Factors that are float32 on this device are rounded to `dtype` (float16 or bfloat16, by default
    float16 on "cuda" and bfloat16 on "cpu"), ties to even; products are added in float32. The
    derivatives of such a product are rounded in the same way, wherever they are computed. Unlike
    PyTorch's, results stay float32, and so does all that lies between products: what is gained is
    the speed of tensor cores, not memory. Source: Micikevicius et al., "Mixed precision training",
    2018, section 3.

        with tinygan.autocast("cuda", tinygan.float16):
            loss = criterion(model(x), y)

    A context or a decorator; with `enabled` False it makes products exact again inside of another.
    """

    def __init__(self, device_type: str, dtype: Any = None, enabled: bool = True) -> None:
        kind = Device(device_type).type
        dtype = TYPES[kind] if dtype is None else dtype
        precision = str(bfloat16 if dtype is bfloat16 else np.dtype(dtype))
        if precision not in EVERYWHERE:
            raise ValueError(f"autocast: dtype is {precision}, expected float16 or bfloat16")
        if enabled and kind == "cuda" and dtype is bfloat16:
            _check_device()
        self.change = {kind: precision if enabled else None}
        self.before: list[Mapping[str, str | None]] = []  # a stack: it may be entered again

    def __enter__(self) -> None:
        self.before.append(state.precisions)
        state.precisions = {**state.precisions, **self.change}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        state.precisions = self.before.pop()


def _check_device() -> None:
    """Refuse bfloat16 on GPUs that cannot multiply it."""
    runtime = backend_for("cuda").xp.cuda.runtime
    properties = runtime.getDeviceProperties(runtime.getDevice())
    if properties["major"] < 8:
        capability = f"{properties['major']}.{properties['minor']}"
        raise RuntimeError(
            f"autocast: this GPU has compute capability {capability} and bfloat16 needs 8.0; use "
            "float16, with a GradScaler"
        )


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether products on this device are rounded now."""
    return state.precisions.get(device_type) is not None


@contextmanager
def products() -> Iterator[Callable[[str | None], None]]:
    """Within it what is yielded says how all products are rounded from now on."""
    before, exact = state.precisions, dict[str, str]()

    def set_precision(precision: str | None) -> None:
        state.precisions = exact if precision is None else EVERYWHERE[precision]

    try:
        yield set_precision
    finally:
        state.precisions = before
