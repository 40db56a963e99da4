"""NCCL, through CuPy: one process for each GPU, started by mpiexec."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend import cuda
from tinygan.backend.errors import UserError
from tinygan.distributed.mpi import Mpi


def suits(ranks: Mpi) -> bool:
    """Whether NCCL is there and every rank can have a GPU to itself."""
    mine = False
    if cuda.device_count() > ranks.local_rank:
        from cupy.cuda import nccl

        mine = bool(nccl.available)
    return all(ranks.gather(mine))


class Nccl(Mpi):
    """The ranks that mpiexec started, their GPUs joined by NCCL; what is on the host goes by MPI.

    The collectives are put into CuPy's current stream, and nobody waits for them.
    """

    def __init__(self) -> None:
        super().__init__()
        if not suits(self):
            raise UserError(
                "nccl needs CuPy with NCCL (pip install nvidia-nccl-cu12, or -cu13 for "
                "CUDA 13) and a GPU for every rank of a machine; "
                f"rank {self.rank} finds {cuda.device_count()}"
            )
        import cupy
        from cupy.cuda import nccl

        cupy.cuda.Device(self.local_rank).use()  # before the backend is loaded, which asks for it
        unique = self.share(nccl.get_unique_id() if self.rank == 0 else None)
        self._devices = nccl.NcclCommunicator(self.size, unique, self.rank)
        self._nccl, self._stream = nccl, cupy.cuda.get_current_stream

    def all_reduce(self, array: Any) -> None:
        if isinstance(array, np.ndarray):
            return super().all_reduce(array)
        whole = _in_one_piece(array)
        at, kind = whole.data.ptr, self._type(whole)
        self._devices.allReduce(at, at, whole.size, kind, self._nccl.NCCL_SUM, self._stream().ptr)
        if whole is not array:
            array[...] = whole

    def broadcast(self, array: Any, root: int = 0) -> None:
        if isinstance(array, np.ndarray):
            return super().broadcast(array, root)
        whole = _in_one_piece(array)
        kind = self._type(whole)
        self._devices.bcast(whole.data.ptr, whole.size, kind, root, self._stream().ptr)
        if whole is not array:
            array[...] = whole

    def _type(self, array: Any) -> int:
        number: int = getattr(self._nccl, f"NCCL_{array.dtype.name.upper()}")
        return number


def _in_one_piece(array: Any) -> Any:
    return array if array.flags.c_contiguous else array.copy(order="C")
