"""Convolution by NVIDIA's cuDNN in place of our kernels, where it is installed and asked for."""

from __future__ import annotations

import warnings
from functools import cache, lru_cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.devices import get_device_capability
from tinygan.backend.cuda.geometry import Pair, Static, Steps, Where
from tinygan.backend.cuda.precision import allow_cudnn, allow_tf32

IMAGE, WEIGHTS, OUTPUT = ROLES = 1, 2, 3  # (N, C, H, W), (O, C/groups, kh, kw), (N, O, H', W')
TRIO = {"forward": OUTPUT, "transposed": IMAGE, "weights": WEIGHTS}  # which of them is computed
ALIGNMENT = 16  # bytes: cuDNN is promised that arrays begin at multiples of it

_turn = Lock()  # of threads: a handle has one stream, and cuDNN takes calls with it one by one


def convolved(
    what: str, image: Any, weights: Any, output: Any, static: Static, precision: str | None
) -> bool:
    """Write into one of the three arrays what follows from the others; False if cuDNN does not."""
    arrays, way = (image, weights, output), allow_tf32()
    if not allow_cudnn() or precision is not None or way == "x3" or image.dtype != np.float32:
        return False
    addresses = {role: int(a.data.ptr) for role, a in zip(ROLES, arrays, strict=True)}
    wheres = [_packed(a.shape, a.strides) for a in arrays]
    if None in wheres or any(address % ALIGNMENT for address in addresses.values()):
        return False
    xp = backend_for("cuda").xp
    device = xp.cuda.runtime.getDevice()
    with _turn:
        plan = _plan(what, *wheres, static, way, device)
        if plan is None:
            return False
        import cudnn

        cudnn.set_stream(_handle(device), xp.cuda.get_current_stream().ptr)
        workspace = xp.empty(max(plan.workspace, 1), np.uint8)
        plan.graph.execute(addresses, int(workspace.data.ptr), _handle(device))
    return True


class _Plan(NamedTuple):
    graph: Any
    workspace: int  # bytes


@cache
def _handle(device: int) -> Any:
    import cudnn

    return cudnn.create_handle()


@lru_cache(maxsize=4096)
def _packed(shape: Steps, strides: Steps) -> Where | None:
    """The shape and the steps in numbers, those of one number too; None if there are gaps."""
    for order in ((0, 2, 3, 1), (0, 1, 2, 3)):  # channels last, or C-order
        steps, step = [0] * 4, 1
        for d in reversed(order):
            steps[d], step = step, step * shape[d]
        if all(n == 1 or 4 * s == t for n, s, t in zip(shape, steps, strides, strict=True)):
            return shape, tuple(steps)
    return None


@cache  # for good: CUDA graphs go on using what a plan has loaded
def _plan(
    what: str, image: Where, weights: Where, output: Where, static: Static, tf32: bool, device: int
) -> _Plan | None:
    """cuDNN's way for such arrays, None if it has none."""
    below, right = (_end(static, d, image[0], weights[0], output[0]) for d in (0, 1))
    if below is None or right is None:
        return None
    import cudnn

    major, minor = get_device_capability(device)
    # told the architecture, the frontend does not look for CUDA's runtime library to ask for it
    place = {"handle": _handle(device), "sm_version": 10 * major + minor}
    try:
        return described(what, (image, weights, output), static, (below, right), tf32, **place)
    except cudnn.cudnnGraphNotSupportedError:
        return None
    except (RuntimeError, ValueError) as error:
        warnings.warn(f"cuDNN failed, our kernel takes this convolution: {error}", stacklevel=2)
        return None


def _end(static: Static, d: int, image: Steps, weights: Steps, output: Steps) -> int | None:
    """The padding below or on the right; None where the image is cropped, which cuDNN cannot."""
    start, stride, size = static.start[d], static.stride[d], image[2 + d]
    extent, count = static.dilation[d] * (weights[2 + d] - 1) + 1, output[2 + d]
    least = max((count - 1) * stride + extent - size - start, 0)
    for end in (start, least):  # alike on both sides if it can be: cuDNN has more ways then
        if start >= 0 and (size + start + end - extent) // stride + 1 == count:
            return end
    return None


def described(
    what: str,
    wheres: tuple[Where, Where, Where],
    static: Static,
    ends: Pair,
    tf32: bool,
    **place: Any,
) -> _Plan:
    """A graph of one convolution and the way that cuDNN prefers; raises what cuDNN raises.

    `place` is a handle, or a description of a GPU that is not there; and its architecture.
    """
    import cudnn

    kind, note, mode = cudnn.data_type.FLOAT, cudnn.numerical_note, cudnn.heur_mode
    refused = [note.NONDETERMINISTIC, note.DOWN_CONVERT_INPUTS, note.REDUCED_PRECISION_REDUCTION]
    if not tf32:  # nor what adds other numbers than products of these factors
        refused += [note.TENSOR_CORE, note.FFT, note.WINOGRAD, note.WINOGRAD_TILE_4x4]
        refused += [note.WINOGRAD_TILE_6x6, note.WINOGRAD_TILE_13x13]
    graph = cudnn.pygraph(
        io_data_type=kind, intermediate_data_type=kind, compute_data_type=kind, **place
    )
    known, result = dict(zip(ROLES, wheres, strict=True)), TRIO[what]
    shape, steps = known.pop(result)
    operands = [
        graph.tensor(dim=[*own], stride=[*apart], data_type=kind, uid=role)
        for role, (own, apart) in known.items()
    ]
    if what == "transposed":
        operands.reverse()  # what is transposed, then the weights
    convolution = {OUTPUT: graph.conv_fprop, IMAGE: graph.conv_dgrad, WEIGHTS: graph.conv_wgrad}
    made = convolution[result](
        *operands,
        pre_padding=[*static.start],
        post_padding=[*ends],
        stride=[*static.stride],
        dilation=[*static.dilation],
    )
    made.set_output(True).set_data_type(kind).set_uid(result)
    made.set_dim([*shape]).set_stride([*steps])
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([mode.A, mode.B, mode.FALLBACK])  # A knows few without TENSOR_CORE
    graph.deselect_numeric_notes(refused)
    graph.check_support()
    graph.build_plans()
    return _Plan(graph, graph.get_workspace_size())
