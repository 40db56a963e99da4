"""What `Nccl` asks of CuPy: run by mpiexec, on a stand-in that sums over the host's memory."""

from __future__ import annotations

import ctypes
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from mpi4py import MPI

from tinygan import distributed
from tinygan.distributed.nccl import Nccl

WORLD = MPI.COMM_WORLD
USED: list[int] = []


class DeviceArray:
    """As much of cupy.ndarray as is used; its pointer is one of the host."""

    def __init__(self, array: np.ndarray) -> None:
        self.on_host = array
        self.dtype, self.size, self.flags = array.dtype, array.size, array.flags
        self.data = SimpleNamespace(ptr=array.ctypes.data)

    def copy(self, order: str) -> DeviceArray:
        return DeviceArray(np.array(self.on_host, order=order))  # type: ignore[call-overload]

    def __setitem__(self, index: Any, value: DeviceArray) -> None:
        self.on_host[index] = value.on_host


class NcclCommunicator:
    """The methods and parameters of CuPy's."""

    def __init__(self, ranks: int, unique: bytes, rank: int) -> None:
        assert (ranks, unique, rank) == (WORLD.size, b"of rank 0", WORLD.rank)

    def allReduce(
        self, sendbuf: int, recvbuf: int, count: int, datatype: int, op: int, stream: int
    ) -> None:
        assert sendbuf == recvbuf and (op, stream) == (0, 77)
        WORLD.Allreduce(MPI.IN_PLACE, memory(recvbuf, count, datatype))

    def bcast(self, buff: int, count: int, datatype: int, root: int, stream: int) -> None:
        assert stream == 77
        WORLD.Bcast(memory(buff, count, datatype), root)


def memory(address: int, count: int, datatype: int) -> np.ndarray:
    kind = {7: ctypes.c_float, 8: ctypes.c_double, 4: ctypes.c_int64}[datatype]
    return np.ctypeslib.as_array((kind * count).from_address(address))


def get_unique_id() -> bytes:
    assert WORLD.rank == 0
    return b"of rank 0"


cupy, cuda, nccl = (ModuleType(name) for name in ("cupy", "cupy.cuda", "cupy.cuda.nccl"))
nccl.__dict__.update(
    available=True, get_unique_id=get_unique_id, NcclCommunicator=NcclCommunicator,
    NCCL_SUM=0, NCCL_INT64=4, NCCL_FLOAT32=7, NCCL_FLOAT64=8,
)  # fmt: skip
cuda.__dict__.update(
    nccl=nccl,
    runtime=SimpleNamespace(getDeviceCount=lambda: WORLD.size),
    Device=lambda number: SimpleNamespace(use=lambda: USED.append(number)),
    get_current_stream=lambda: SimpleNamespace(ptr=77),
)
cupy.__dict__.update(cuda=cuda, is_available=lambda: True)
sys.modules.update({"cupy": cupy, "cupy.cuda": cuda, "cupy.cuda.nccl": nccl})

ranks = distributed.init_process_group()  # finds a GPU for each
assert isinstance(ranks, Nccl)
assert USED[0] == WORLD.rank
for dtype in (np.float32, np.float64, np.int64):
    values = np.arange(6).reshape(2, 3).astype(dtype)
    for given in (values * (ranks.rank + 1), (values * (ranks.rank + 1)).T.copy().T):
        ranks.all_reduce(DeviceArray(given))
        np.testing.assert_array_equal(given, values * 3)
    for given in (values + ranks.rank, (values + ranks.rank).T.copy().T):
        ranks.broadcast(DeviceArray(given), root=1)
        np.testing.assert_array_equal(given, values + 1)
on_host = np.ones(3)
ranks.all_reduce(on_host)
np.testing.assert_array_equal(on_host, 2)
print("all is well", flush=True)
