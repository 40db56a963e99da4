"""Trials in processes of their own, some at a time."""

from __future__ import annotations

import importlib
import multiprocessing
import signal
import traceback
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from tinygan.backend.cpu.threads import set_num_threads
from tinygan.backend.errors import UserError
from tinygan.backend.progress import on_compile
from tinygan.reproduce.experiment import Experiment, Trial, listen

Key = tuple[str, int]  # variant, seed


class Event(NamedTuple):
    """News of a trial: "progress" (done, total), "compiling" (a kernel's name), "done" (Trial)."""

    kind: str
    trial: Key
    value: Any


class TrialError(UserError):
    """A trial that ended without a result; the message says how."""


def trials(
    module: str,
    todo: Sequence[Key],
    quick: bool,
    device: str,
    data_dir: str | None,
    jobs: int,
) -> Generator[Event, None, None]:
    """Run trials of a module's EXPERIMENT, `jobs` at a time with a thread each, and tell of them.

    Closing the iterator stops those that run.
    """
    waiting = list(todo)
    running: dict[Connection, tuple[Key, Any]] = {}
    context = multiprocessing.get_context("spawn")  # Numba's threads do not survive a fork
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                key = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                arguments = (theirs, module, *key, quick, device, data_dir)
                process = context.Process(target=_work, args=arguments, daemon=True)
                process.start()
                theirs.close()
                running[ours] = key, process
            for connection in wait(list(running)):
                assert isinstance(connection, Connection)
                key, process = running[connection]
                try:
                    kind, value = connection.recv()
                except EOFError:
                    process.join()
                    raise TrialError(
                        f"the process of {key[0]}, seed {key[1]} ended with code "
                        f"{process.exitcode} and no result; if it was memory, the same command "
                        "with --jobs 1 goes on from here"
                    ) from None
                if kind == "failed":
                    raise TrialError(f"{key[0]}, seed {key[1]} failed: {value}")
                yield Event(kind, key, value)
                if kind == "done":
                    del running[connection]
                    connection.close()
                    process.join()
    finally:
        for connection, (_, process) in running.items():
            process.terminate()
            process.join()
            connection.close()


def _work(
    connection: Connection,
    module: str,
    variant: str,
    seed: int,
    quick: bool,
    device: str,
    data_dir: str | None,
) -> None:
    """One trial, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    set_num_threads(1)
    listen(lambda done, total: connection.send(("progress", (done, total))))
    on_compile(lambda kernel, seconds: connection.send(("compiling", kernel)))
    try:
        found: Experiment = importlib.import_module(module).EXPERIMENT
        trial: Trial = found.run(found.variants[variant], seed, quick, device, data_dir)
    except UserError as error:
        connection.send(("failed", str(error)))
    except Exception:
        connection.send(("failed", traceback.format_exc()))
    else:
        connection.send(("done", trial))
