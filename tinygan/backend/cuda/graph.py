"""A tape of launches as CUDA graphs: a whole piece of a program is started by one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.devices import empty_cache
from tinygan.backend.kernels import Untraceable, recording


class Tape:
    """Launches as a stream captures them, in graphs that are cut off where Python has to come in.

    What kernels allocate while they are captured comes from a pool of the tape's own: the graphs
    go on using the memory when the arrays are gone.
    """

    def __init__(self) -> None:
        self._cuda = backend_for("cuda").xp.cuda
        self._stream = self._cuda.Stream(non_blocking=True)
        self._pool = self._cuda.MemoryPool()
        self._captures = False
        self._launches = 0  # captured since the last cut

    def record(self, call: Callable[[], Any]) -> bool:
        """Capture the launches of a kernel; False, and none of them, if it declined."""
        try:
            with self._capture():
                done = call() is not NotImplemented
        except Exception as error:
            with suppress(Exception):
                self._stream.end_capture()
            raise Untraceable(f"a launch cannot be captured in a CUDA graph ({error})") from error
        self._launches += done
        return done

    def cut(self) -> Callable[[], None] | None:
        """What runs the launches captured since the last cut, None if there are none."""
        if not self._captures:
            return None
        with self._stream:
            graph = self._stream.end_capture()
        launched, self._captures, self._launches = self._launches, False, 0
        return partial(self._run, graph) if launched else None

    def _run(self, graph: Any) -> None:  # bound to the tape, whose memory the graph uses
        graph.launch()

    def _allocate(self, size: Any) -> Any:
        """From the pool; an error if that has given back to the device what it had free.

        CuPy's pools do so where there is no more, and graphs go on using what is free. What arrays
        outside have left to CuPy's own pool is given back before.
        """
        if size > self._cuda.runtime.memGetInfo()[0]:
            empty_cache()
        total, free = self._pool.total_bytes(), self._pool.free_bytes()
        memory = self._pool.malloc(size)
        if self._pool.total_bytes() != total and self._pool.free_bytes() < free:
            raise MemoryError("there is not enough memory for it")
        return memory

    @contextmanager
    def _capture(self) -> Iterator[None]:
        if recording.tape is not None:
            raise RuntimeError("launches are being recorded already")
        with self._stream, self._cuda.using_allocator(self._allocate):
            if not self._captures:
                self._stream.begin_capture()
                self._captures = True
            recording.tape = self
            try:
                yield
            finally:
                recording.tape = None
