"""MPI, through mpi4py: `mpiexec -n 4 python script.py` starts the processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan.backend import backend_of
from tinygan.backend.cpu.threads import usable_cores
from tinygan.backend.errors import UserError
from tinygan.distributed.communicator import Communicator

AWAKE, PAUSE = 100e-6, 20e-6  # seconds


class Mpi(Communicator):
    """The ranks that mpiexec started. Arrays of a device go through the host's memory."""

    def __init__(self) -> None:
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:  # not installed; finds no MPI library
            raise UserError(
                f"training in several processes needs mpi4py and an MPI ({error}); install them "
                "with: pip install 'tinygan[distributed]'"
            ) from error
        self._sum_in_place = MPI.IN_PLACE
        self._world = MPI.COMM_WORLD
        self.rank, self.size = self._world.Get_rank(), self._world.Get_size()
        machines = self.gather((MPI.Get_processor_name(), _cores()))
        here = machines[self.rank][0]
        self._neighbours = [cores for machine, cores in machines if machine == here]
        self.local_rank = [machine for machine, _ in machines[: self.rank]].count(here)

    def all_reduce(self, array: Any) -> None:
        _on_host(array, lambda host: _wait(self._world.Iallreduce(self._sum_in_place, host)))

    def broadcast(self, array: Any, root: int = 0) -> None:
        _on_host(array, lambda host: _wait(self._world.Ibcast(host, root)))

    def barrier(self) -> None:
        _wait(self._world.Ibarrier())

    def share(self, value: Any, root: int = 0) -> Any:
        self.barrier()
        return self._world.bcast(value, root)

    def gather(self, value: Any) -> list[Any]:
        self.barrier()
        gathered: list[Any] = self._world.allgather(value)
        return gathered

    def abort(self, code: int) -> None:
        self._world.Abort(code)

    def cores(self) -> int:
        users = [sum(core in theirs for theirs in self._neighbours) for core in _cores()]
        return max(1, int(sum(1 / n for n in users) + 1e-6))


def _wait(request: Any) -> None:
    """Wait as the threads of the pool do: awake for a moment, then asleep.

    MPI's own waiting never sleeps, and where another program wants the core, or a rank that shares
    it, it keeps both from going on.
    """
    patience = time.perf_counter() + AWAKE
    while not request.Test():
        if time.perf_counter() > patience:
            time.sleep(PAUSE)


def _cores() -> set[int]:
    """The cores that this process may run on: mpiexec may have bound it to some of them."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(usable_cores()))


def _on_host(array: Any, change: Callable[[np.ndarray], None]) -> None:
    """Change an array, by way of the host if it is elsewhere or not in one piece."""
    backend = backend_of(array)
    host = backend.to_host(array)
    if not host.flags.c_contiguous:
        host = host.copy()
    change(host)
    if host is not array:
        array[...] = backend.from_host(host)
