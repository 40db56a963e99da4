"""Whether operations are recorded, how products are rounded, who watches: all by thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ContextDecorator
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tinygan.autograd.trace import Trace

F = TypeVar("F", bound=Callable[..., Any])


class _State(threading.local):
    recording: bool = True
    observer: Callable[[Any, Any], None] | None = None
    trace: Trace | None = None
    precisions: Mapping[str, str | None] = MappingProxyType({})  # of products, by device


state = _State()


class set_grad_enabled(ContextDecorator):
    """Record operations for differentiation, or not: at once, as a context or as a decorator."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self.before = state.recording
        state.recording = mode

    def __call__(self, function: F) -> F:
        state.recording = self.before  # a decorator changes nothing until the function is called
        return super().__call__(function)

    def _recreate_cm(self) -> set_grad_enabled:
        return type(self)(self.mode)

    def __enter__(self) -> None:
        state.recording = self.mode

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        state.recording = self.before


class _GradMode(ContextDecorator):
    mode: bool

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self.before: list[bool] = []  # a stack, because one object may be entered again

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        self = super().__new__(cls)
        if function is None:
            return self
        self.__init__()  # type: ignore[misc]
        return self(function)

    def _recreate_cm(self) -> _GradMode:
        return type(self)()

    def __enter__(self) -> None:
        self.before.append(state.recording)
        state.recording = self.mode

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        state.recording = self.before.pop()


class no_grad(_GradMode):
    """Within it nothing is recorded: `with no_grad(): ...`, `@no_grad()` or `@no_grad`."""

    mode = False


class enable_grad(_GradMode):
    """Within it operations are recorded again, also inside `no_grad`."""

    mode = True


def inference_mode(mode: bool = True) -> set_grad_enabled:
    """`no_grad()` under the name that newer scripts use, as a context or a decorator."""
    enabled = set_grad_enabled(not mode)
    state.recording = enabled.before  # unlike set_grad_enabled it does nothing until entered
    return enabled


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require a gradient are recorded now."""
    return state.recording


class observe:
    """Call `function(op, array)` with the result of every operation of this thread within it."""

    def __init__(self, function: Callable[[Any, Any], None]) -> None:
        self.function = function

    def __enter__(self) -> None:
        self.before = state.observer
        state.observer = self.function

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        state.observer = self.before
