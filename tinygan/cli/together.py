"""`--distributed`: the processes that mpiexec started act as one, and speak with one voice."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tinygan.backend import DeviceError
from tinygan.backend.cpu.threads import get_num_threads, set_num_threads
from tinygan.backend.errors import UserError
from tinygan.distributed import Communicator, init_process_group, world

T = TypeVar("T")

STARTED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")  # what mpiexec leaves in the environment


class _Agreed(UserError):
    """A mistake that all ranks know of."""


def join(distributed: bool, device: str) -> Communicator:
    """This process with its likes, or alone."""
    if distributed:
        return init_process_group("mpi" if device == "cpu" else None)
    if any(os.environ.get(name, "1") != "1" for name in STARTED):
        raise UserError(
            "mpiexec has started several processes, which would each train the same model on their "
            "own; let them train it together with --distributed"
        )
    return world()


@contextmanager
def ending_together(ranks: Communicator) -> Iterator[None]:
    """Let no rank wait for one that has failed: what one meets alone, ends all."""
    try:
        yield
    except SystemExit:
        raise
    except BaseException as error:
        if ranks.size == 1:
            raise
        if isinstance(error, _Agreed):
            if ranks.rank == 0:
                raise
            sys.exit(2)
        mistake = isinstance(error, (UserError, DeviceError))
        what = f"error: {error}\n" if mistake else traceback.format_exc()
        sys.stderr.write(f"rank {ranks.rank}: {what}")
        sys.stderr.flush()
        ranks.abort(2 if mistake else 1)


def agree(ranks: Communicator, function: Callable[[], T]) -> T:
    """function() on every rank; a mistake that one of them finds is raised on all."""
    result, found = None, None
    try:
        result = function()
    except (UserError, DeviceError) as error:
        if ranks.size == 1:
            raise
        found = str(error)
    for rank, mistake in enumerate(ranks.gather(found)):
        if mistake is not None:
            raise _Agreed(mistake if rank == 0 else f"rank {rank}: {mistake}")
    return result  # type: ignore[return-value]


def same(ranks: Communicator, values: dict[str, Any]) -> None:
    """Refuse values that are not the same on all ranks."""
    first, *others = ranks.gather(values)
    for rank, theirs in enumerate(others, 1):
        for name in {**first, **theirs}:
            one, other = first.get(name), theirs.get(name)
            if one != other:
                raise _Agreed(
                    f"the ranks have different configurations: {name} is {one!r} on rank 0 and "
                    f"{other!r} on rank {rank}"
                )


def share_cores(ranks: Communicator) -> str:
    """Let each rank use its part of the machine's cores, and say so.

    TINYGAN_NUM_THREADS goes before. Open MPI binds each process to one core unless told otherwise.
    """
    if os.environ.get("TINYGAN_NUM_THREADS"):
        return f"threads: {get_num_threads()}"
    threads = ranks.cores()
    set_num_threads(threads)
    try:
        unbound = len(os.sched_getaffinity(os.getppid())) // ranks.size
    except (AttributeError, OSError):
        unbound = 0
    more = f" (mpiexec --bind-to none would allow {unbound})" if unbound > threads else ""
    return f"threads: {threads}{more}"
