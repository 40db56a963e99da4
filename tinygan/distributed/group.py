"""The group of processes that this one belongs to."""

from __future__ import annotations

from tinygan.distributed.communicator import Communicator

_world = Communicator()


def world() -> Communicator:
    """The communicator of all ranks; before `init_process_group` this process alone."""
    return _world


def init_process_group(backend: str | None = None) -> Communicator:
    """Join the processes that mpiexec started: by `mpi`, or by `nccl` with a GPU for each.

    By default nccl if there are such GPUs. On GPUs it comes before the first use of a device, which
    is one for each process of a machine.
    """
    global _world
    from tinygan.distributed.mpi import Mpi
    from tinygan.distributed.nccl import Nccl, suits

    if backend not in (None, "mpi", "nccl"):
        raise ValueError(f"init_process_group: expected 'mpi' or 'nccl', got {backend!r}")
    ranks = Mpi()
    _world = Nccl() if backend == "nccl" or (backend is None and suits(ranks)) else ranks
    return _world


def get_rank() -> int:
    """The number of this process, from 0."""
    return _world.rank


def get_world_size() -> int:
    """How many processes there are."""
    return _world.size


def barrier() -> None:
    """Wait until all ranks are here."""
    _world.barrier()
