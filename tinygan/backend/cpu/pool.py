"""The pool: threads of compiled code that share out the chunks of one job after the other.

A job is a function (counters, block) -> error that takes chunk after chunk until none is left.
Whoever has a job posts it, wakes those who sleep, takes part, lets nobody else in when the chunks
are taken, and waits for those inside to finish theirs. So nobody waits for a thread that comes
late, or not at all because its core is busy elsewhere. Where the pool is occupied by another
caller, a job is done alone.

Threads look for the next job for a few microseconds, then sleep in the kernel of the operating
system: within a training step the next launch finds them awake, and between steps nothing spins.
"""

from __future__ import annotations

import ctypes
import platform
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types

from tinygan.backend.cpu.compile import inlined, native
from tinygan.backend.cpu.native import (
    add,
    call2,
    call6,
    exchange_if,
    keep_bits,
    load,
    pause,
    set_bits,
    stack_words,
    store,
)

# The control block: words by their distance in bytes, contended ones on lines of their own
FUNCTION = 0  # what a launch calls with the address of this block
LIMIT = 8  # threads that may take part in a job, with the caller
WORKERS = 16
SYSCALL = 24  # the C library's function; 0 where there is no futex
SLEEP = 32  # a function (address, value) that returns when the half word there is another
WAKE = 40  # a function (address, count)
FUTEX = 48  # the number of the system call
BUSY = 128  # 1 while a caller has the pool
POSTED = 256  # how many jobs there were
DOOR = 384
SLEEPERS = 512
ENTRANCE = 640  # the job
BLOCK = 648
ERROR = 656
COUNTERS = 768  # chunks taken, done, and there
SIZE = 896

# The door: how many threads are inside, whether the caller sleeps until they have left, whether it
# is open, and for how many more
INSIDE = 0xFFFF
AWAITED = 1 << 16
OPEN = 1 << 32
PLACE = 1 << 33
LOWER = 0xFFFFFFFF

PATIENCE = 2000  # pauses before sleep: 10 to 30 microseconds


@inlined
def sleep_while(control, address, value):
    """Sleep until the lower half of a word is another than `value`, or for no reason."""
    function = load(control + SYSCALL)
    if function:
        call6(function, load(control + FUTEX), address, 128, value, 0, 0)  # FUTEX_WAIT, private
    else:
        call2(load(control + SLEEP), address, value)


@inlined
def wake(control, address, count):
    """Wake up to `count` of those who sleep because of a word."""
    function = load(control + SYSCALL)
    if function:
        call6(function, load(control + FUTEX), address, 129, count, 0, 0)  # FUTEX_WAKE, private
    else:
        call2(load(control + WAKE), address, count)


@inlined
def share_out(control, chunks, threads, entrance, block):
    """Have a job done by up to so many threads; not 0 if memory ran out."""
    helpers = min(threads, chunks, load(control + LIMIT), load(control + WORKERS) + 1) - 1
    if helpers < 1 or exchange_if(control + BUSY, 0, 1) != 0:
        counters = stack_words(0)
        store(counters, 0)
        store(counters + 8, 0)
        store(counters + 16, chunks)
        return call2(entrance, counters, block)
    counters = control + COUNTERS
    store(counters, 0)
    store(counters + 8, 0)
    store(counters + 16, chunks)
    store(control + ENTRANCE, entrance)
    store(control + BLOCK, block)
    store(control + ERROR, 0)
    store(control + DOOR, OPEN + PLACE * helpers)
    add(control + POSTED, 1)
    if load(control + SLEEPERS) > 0:
        wake(control, control + POSTED, helpers)
    error = call2(entrance, counters, block)
    door = keep_bits(control + DOOR, INSIDE) & INSIDE
    waited = 0
    while door & INSIDE:
        if waited < PATIENCE:
            pause()
            waited += 1
            door = load(control + DOOR)
        else:
            door = set_bits(control + DOOR, AWAITED) | AWAITED
            if door & INSIDE:
                sleep_while(control, control + DOOR, door & LOWER)
                door = load(control + DOOR)
    error |= load(control + ERROR)
    store(control + BUSY, 0)
    return error


@native(*[types.int64] * 6)
def dispatch(control, chunks, threads, entrance, block, size):
    """What a launch calls."""
    return share_out(control, chunks, threads, entrance, block)


@native(types.int64)
def serve(control):
    """Take part in all jobs, for ever."""
    while True:
        posted = load(control + POSTED)
        door = load(control + DOOR)
        while door >= OPEN + PLACE:
            before = exchange_if(control + DOOR, door, door + 1 - PLACE)
            if before == door:
                entrance = load(control + ENTRANCE)
                if call2(entrance, control + COUNTERS, load(control + BLOCK)):
                    store(control + ERROR, 1)
                door = add(control + DOOR, -1)
                if door & AWAITED and door & INSIDE == 1:
                    wake(control, control + DOOR, 1)
                break
            door = before
        waited = 0
        while load(control + POSTED) == posted and waited < PATIENCE:
            pause()
            waited += 1
        if waited == PATIENCE:
            add(control + SLEEPERS, 1)
            sleep_while(control, control + POSTED, posted & LOWER)
            add(control + SLEEPERS, -1)
    return 0


WORDS1, WORDS2, WORDS4, WORDS6 = (
    ctypes.CFUNCTYPE(*[ctypes.c_int64] * (1 + count)) for count in (1, 2, 4, 6)
)


class Pool:
    """A control block and the threads that serve it."""

    def __init__(self) -> None:
        memory = np.zeros(SIZE // 8 + 16, np.int64)
        start = -memory.ctypes.data % 128 // 8
        self._words = memory[start : start + SIZE // 8]
        self.control: int = self._words.ctypes.data
        self._set(FUNCTION, dispatch.address)
        self.workers: list[threading.Thread] = []
        self._growing = threading.Lock()
        self._callbacks = _set_up_sleep(self)

    def _set(self, place: int, value: int) -> None:
        self._words[place // 8] = value

    def limit(self, threads: int) -> None:
        """Let this many threads take part in a job."""
        self._set(LIMIT, threads)
        with self._growing:
            while len(self.workers) < threads - 1:
                name = f"tinygan-{len(self.workers) + 1}"
                worker = threading.Thread(target=_serve, args=(self.control,), name=name)
                worker.daemon = True
                worker.start()
                self.workers.append(worker)
            self._set(WORKERS, len(self.workers))

    def call(self, function: Callable[[], None], chunks: int, threads: int) -> None:
        """Have a Python function called by up to so many threads; it must not raise."""

        def enter(counters: int, block: int) -> int:
            function()
            return 0

        entrance = WORDS2(enter)
        address = ctypes.cast(entrance, ctypes.c_void_p).value
        WORDS6(dispatch.address)(self.control, chunks, threads, address, 0, 0)


def _serve(control: int) -> None:
    WORDS1(serve.address)(control)


CALLS = {"x86_64": 202, "aarch64": 98, "riscv64": 98}  # the number of futex


def _set_up_sleep(pool: Pool) -> Any:
    """Where there is no futex Python's own means: the callbacks that have to be kept alive."""
    number = CALLS.get(platform.machine())
    if sys.platform == "linux" and number is not None:
        pool._set(SYSCALL, ctypes.cast(ctypes.CDLL(None).syscall, ctypes.c_void_p).value or 0)
        pool._set(FUTEX, number)
        return None
    changed = threading.Condition()

    def sleep(address: int, value: int) -> int:
        with changed:
            while ctypes.c_uint32.from_address(address).value == value:
                changed.wait()
        return 0

    def notify(address: int, count: int) -> int:
        with changed:
            changed.notify_all()
        return 0

    callbacks = WORDS2(sleep), WORDS2(notify)
    for place, callback in zip((SLEEP, WAKE), callbacks, strict=True):
        pool._set(place, ctypes.cast(callback, ctypes.c_void_p).value or 0)
    return callbacks
