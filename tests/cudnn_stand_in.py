"""A stand-in for cuDNN's frontend, the part that tinygan uses: graphs of one convolution.

It holds the caller to the order of calls, to handles, streams and threads, and to addresses,
shapes and steps that belong together; it computes by the references of the trio.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from typing import Any

import cuda_on_host
import numpy as np

from tinygan.backend import backend_for
from tinygan.ops import conv_trio

WORKSPACE = 48  # bytes, which must be there: it is overwritten
ALIGNMENT = 16  # bytes, of addresses, which a graph does not check


class data_type(enum.Enum):
    FLOAT = 1


class heur_mode(enum.Enum):
    A = 1
    B = 2
    FALLBACK = 3


class numerical_note(enum.Enum):
    TENSOR_CORE = 1
    DOWN_CONVERT_INPUTS = 2
    REDUCED_PRECISION_REDUCTION = 3
    FFT = 4
    NONDETERMINISTIC = 5
    WINOGRAD = 6
    WINOGRAD_TILE_4x4 = 7
    WINOGRAD_TILE_6x6 = 8
    WINOGRAD_TILE_13x13 = 9
    STRICT_NAN_PROP = 10


class cudnnGraphNotSupportedError(Exception):
    pass


HANDLE = 77
_stream: int | None = None
_thread: int | None = None  # whose stream it is


def backend_version() -> int:
    return 92800


def create_handle() -> int:
    assert cuda_on_host.Stream.capturing is None, "a handle is made while a stream captures"
    return HANDLE


def set_stream(handle: int, stream: int) -> None:
    global _stream, _thread
    assert handle == HANDLE
    _stream, _thread = stream, threading.get_ident()


class Tensor:
    def __init__(self) -> None:
        self.dim: list[int] = []
        self.stride: list[int] = []
        self.uid = -1
        self.output = False
        self.kind: data_type | None = None

    def array(self, address: int) -> np.ndarray:
        steps = tuple(4 * s for s in self.stride)
        array: np.ndarray = backend_for("cpu").at(
            address, tuple(self.dim), steps, np.dtype(np.float32), None
        )
        return array

    def _set(self, name: str, value: Any) -> Tensor:
        setattr(self, name, value)
        return self

    def set_output(self, output: bool) -> Tensor:
        return self._set("output", output)

    def set_data_type(self, kind: data_type) -> Tensor:
        return self._set("kind", kind)

    def set_uid(self, uid: int) -> Tensor:
        return self._set("uid", uid)

    def set_dim(self, dim: list[int]) -> Tensor:
        return self._set("dim", dim)

    def set_stride(self, stride: list[int]) -> Tensor:
        return self._set("stride", stride)


CALLS = [
    "validate", "build_operation_graph", "create_execution_plans", "deselect_numeric_notes",
    "check_support", "build_plans",
]  # fmt: skip


class pygraph:
    refused: list[list[numerical_note]] = []  # by each graph  # noqa: RUF012
    executed = 0

    def __init__(
        self,
        *,
        io_data_type: Any,
        intermediate_data_type: Any,
        compute_data_type: Any,
        handle: int,
        sm_version: int,  # else the frontend looks for libcudart, which need not be there
    ) -> None:
        assert cuda_on_host.Stream.capturing is None, "a plan is made while a stream captures"
        assert io_data_type is intermediate_data_type is compute_data_type is data_type.FLOAT
        assert handle == HANDLE and sm_version == 90
        self._called: list[str] = []

    def tensor(self, *, dim: list[int], stride: list[int], data_type: Any, uid: int) -> Tensor:
        made = Tensor().set_dim(dim).set_stride(stride).set_data_type(data_type)
        return made.set_uid(uid)

    def conv_fprop(self, image: Tensor, weight: Tensor, **windows: Any) -> Tensor:
        return self._convolution("_conv2d", image, weight, windows)

    def conv_dgrad(self, loss: Tensor, filter: Tensor, **windows: Any) -> Tensor:
        return self._convolution("_conv2d_input_grad", loss, filter, windows)

    def conv_wgrad(self, image: Tensor, loss: Tensor, **windows: Any) -> Tensor:
        return self._convolution("_conv2d_weight_grad", image, loss, windows)

    def _convolution(self, name: str, a: Tensor, b: Tensor, windows: dict[str, Any]) -> Tensor:
        self._name, self._operands, self._result = name, (a, b), Tensor()
        self._static = {
            "padding": tuple(zip(windows["pre_padding"], windows["post_padding"], strict=True)),
            "stride": tuple(windows["stride"]),
            "dilation": tuple(windows["dilation"]),
        }
        assert all(p >= 0 for pair in self._static["padding"] for p in pair)
        return self._result

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name not in CALLS:
            raise AttributeError(name)

        def call(*arguments: Any) -> None:
            assert CALLS.index(name) == len(self._called), f"{name} after {self._called}"
            self._called.append(name)
            getattr(self, f"_{name}", lambda *_: None)(*arguments)

        return call

    def _validate(self) -> None:
        everything = [*self._operands, self._result]
        assert len({t.uid for t in everything}) == 3 and all(t.uid > 0 for t in everything)
        assert all(t.kind is data_type.FLOAT and len(t.dim) == len(t.stride) == 4
                   for t in everything)  # fmt: skip
        assert self._result.output
        place = {
            "_conv2d": (0, 1, 2),
            "_conv2d_input_grad": (2, 1, 0),
            "_conv2d_weight_grad": (0, 2, 1),
        }
        image, weights, output = (everything[i].dim for i in place[self._name])
        self._static["groups"] = image[1] // weights[1]
        assert self._static["groups"] * weights[1] == image[1] and weights[0] == output[1]
        for d in (0, 1):
            extent = self._static["dilation"][d] * (weights[2 + d] - 1) + 1
            padded = image[2 + d] + sum(self._static["padding"][d])
            count = (padded - extent) // self._static["stride"][d] + 1
            assert output[2 + d] == count and image[0] == output[0]

    def _create_execution_plans(self, modes: list[heur_mode]) -> None:
        assert modes == [heur_mode.A, heur_mode.B, heur_mode.FALLBACK]

    def _deselect_numeric_notes(self, notes: list[numerical_note]) -> None:
        pygraph.refused.append(notes)

    def _check_support(self) -> None:
        if max(self._static["dilation"]) > 2:
            raise cudnnGraphNotSupportedError("no engine")
        if max(self._static["dilation"]) > 1:
            raise RuntimeError("CUDNN_STATUS_INTERNAL_ERROR")
        if max(self._static["stride"]) > 4:
            raise ValueError("no shape can be found")  # std::invalid_argument

    def get_workspace_size(self) -> int:
        return WORKSPACE

    def execute(self, addresses: dict[int, int], workspace: int, handle: int) -> None:
        assert self._called == CALLS and handle == HANDLE
        assert _stream == cuda_on_host.get_current_stream().ptr
        assert _thread == threading.get_ident(), "another thread has set its stream meanwhile"
        assert all(type(x) is int for x in (*addresses, *addresses.values(), workspace))
        assert all(x % ALIGNMENT == 0 for x in (*addresses.values(), workspace))
        *operands, result = (t.array(addresses[t.uid]) for t in (*self._operands, self._result))
        memory = backend_for("cpu").at(workspace, (WORKSPACE,), (1,), np.dtype(np.uint8), None)
        more: dict[str, Any] = {}
        if self._name == "_conv2d_input_grad":
            more["size"] = tuple(self._result.dim[2:])
        if self._name == "_conv2d_weight_grad":
            more["kernel"] = tuple(self._result.dim[2:])

        def run() -> None:
            memory[...] = 255
            reference = getattr(conv_trio, self._name).reference
            result[...] = reference(np, *operands, **self._static, **more)
            pygraph.executed += 1

        cuda_on_host.submit(run)
