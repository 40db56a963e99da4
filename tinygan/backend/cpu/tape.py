"""A tape of launches: kernels with their arguments, to be run again by one call.

While a tape records, a launch copies its job to the tape instead of having it done: the address of
the compiled code and the block of its arguments. Playing it is a loop in compiled code, without
Python between one kernel and the next. The arrays are the same each time; their contents are what
changes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numba import types

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import native
from tinygan.backend.cpu.native import load, store
from tinygan.backend.cpu.pool import FUNCTION, WORDS4, share_out

# The head of a tape, in bytes; after it the jobs: chunks, threads, entrance, size, block
USED, SPACE, START = 8, 16, 64
JOB = 32


@native(*[types.int64] * 6)
def note(tape, chunks, wanted, entrance, block, size):
    """Copy a job to the end of a tape, if there is space; how much more space is wanted."""
    length = JOB + (size + 15) // 16 * 16
    used = load(tape + USED)
    missing = used + length - load(tape + SPACE)
    if missing > 0:
        return missing
    job = tape + used
    store(job, chunks)
    store(job + 8, wanted)
    store(job + 16, entrance)
    store(job + 24, length)
    for i in range(0, size, 8):
        store(job + JOB + i, load(block + i))
    store(tape + USED, used + length)
    return 0


@native(*[types.int64] * 4)
def play(control, tape, start, end):
    """Have the jobs between two places on a tape done; not 0 if memory ran out."""
    error = 0
    while start < end:
        job = tape + start
        error |= share_out(control, load(job), load(job + 8), load(job + 16), job + JOB)
        start += load(job + 24)
    return error


class Tape:
    """Launches in the order in which they were noted; `with tape:` notes those of this thread."""

    def __init__(self) -> None:
        self._words = np.zeros(1 << 12, np.int64)
        self._words[[FUNCTION // 8, USED // 8, SPACE // 8]] = note.address, START, 8 << 12
        self._blocks: list[np.ndarray] = []  # of scratch memory
        self._free: list[np.ndarray] = []  # of them, in this recording
        self._alive: list[Any] = []  # what the blocks have addresses of
        self._cut = START  # up to where they were cut off

    def scratch(self, shape: Any, dtype: Any) -> np.ndarray:
        """Memory for this recording, which the next one may be given as well."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        large = [block for block in self._free if block.nbytes >= size]
        if large:
            block = min(large, key=lambda block: block.nbytes)
            self._free = [other for other in self._free if other is not block]
        else:
            block = np.empty(size, np.uint8)
            self._blocks.append(block)
        return block[:size].view(dtype).reshape(shape)

    @property
    def end(self) -> int:
        """The place where the next launch will be noted."""
        return int(self._words[USED // 8])

    def record(self, call: Callable[[], Any]) -> bool:
        """Note the launches of a kernel; False, and none of them, if it declined."""
        place, alive = self.end, len(self._alive)
        with self:
            done = call() is not NotImplemented
        if not done:
            self._words[USED // 8] = place
            del self._alive[alive:]
        return done

    def note(self, kernel: Any, chunks: int, arguments: tuple[Any, ...], threads: int) -> None:
        while missing := kernel(self._words.ctypes.data, chunks, threads, *arguments):
            space = self._words.nbytes + max(missing, self._words.nbytes)
            self._words = np.concatenate([self._words, np.zeros(space // 8 + 1, np.int64)])
            self._words[SPACE // 8] = self._words.nbytes
        self._alive.append((kernel, arguments))

    def keep(self, array: Any) -> None:
        """Have an array live as long as the tape, of which launches have but the address."""
        self._alive.append(array)

    def cut(self) -> Callable[[], None] | None:
        """What runs the launches noted since the last cut, None if there are none."""
        start, self._cut = self._cut, self.end
        return partial(self.play, start, self._cut) if self._cut > start else None

    def play(self, start: int, end: int) -> None:
        """Run what was noted between two places."""
        if _play(threads.pool().control, self._words.ctypes.data, start, end):
            raise MemoryError("a recorded step: no memory for scratch arrays")

    def __enter__(self) -> Tape:
        if threads.recording.tape is not None:
            raise RuntimeError("launches are being recorded already")
        threads.recording.tape = self
        self._free = list(self._blocks)
        return self

    def __exit__(self, *_: object) -> None:
        threads.recording.tape = None


_play = WORDS4(play.address)
