"""The compiled convolution trio at the layers of DCGANs, and PyTorch where it is installed.

    python benchmarks/convolution.py [--threads 1 4] [--repeats 10] [--layers G2 D1 ...]

Batch 64. A layer is known by the model it is in: G1 to G5 are the generator at 64 x 64 pixels
and, mirrored, the discriminator, whose last layer is D5; S1 and S2 are those at 28 pixels; T are
3 x 3, R end in one or three channels, W are depthwise. For each of the trio: milliseconds, billions
of operations per second, the share of the peak of multiply-adds measured in the same run, and how
many times as long PyTorch takes, with its channels first or last, whichever is faster. Operations
are those of the definition, also where a convolution by squares needs 9 products in place of 16:
its share may exceed 100 %. All take turns and the fastest time of each counts, so that other
programs disturb them alike.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from kernels import fastest

from tinygan.backend.cpu import convolution, threads
from tinygan.cli.bench.ceilings import measure_ceilings

torch: Any = importlib.import_module("torch") if importlib.util.find_spec("torch") else None

BATCH = 64
LAYERS = {  # in channels, pixels, out channels, kernel, stride, padding, groups
    "G1": (512, 4, 100, 4, 1, 0, 1),
    "G2": (256, 8, 512, 4, 2, 1, 1),
    "G3": (128, 16, 256, 4, 2, 1, 1),
    "G4": (64, 32, 128, 4, 2, 1, 1),
    "G5": (3, 64, 64, 4, 2, 1, 1),
    "D5": (512, 4, 1, 4, 1, 0, 1),
    "S1": (1, 28, 64, 4, 2, 1, 1),
    "S2": (64, 14, 128, 4, 2, 1, 1),
    "T1": (64, 16, 128, 3, 1, 1, 1),
    "T2": (128, 8, 256, 3, 1, 1, 1),
    "T3": (64, 32, 64, 3, 1, 1, 1),
    "R1": (32, 28, 1, 3, 1, 1, 1),
    "R3": (64, 32, 3, 3, 1, 1, 1),
    "W3": (128, 16, 128, 3, 1, 1, 128),
    "W4": (64, 32, 64, 4, 2, 1, 64),
}

random = np.random.default_rng(0)


def images(c: int, h: int) -> np.ndarray:
    """(N, C, H, W) over N H W C memory."""
    return random.standard_normal((BATCH, h, h, c), np.float32).transpose(0, 3, 1, 2)


def trio(layer: tuple[int, ...]) -> Iterator[tuple[str, float, dict[str, Callable[[], Any]]]]:
    """For each op: its name, its floating-point operations, the candidates."""
    c, h, o, k, s, p, groups = layer
    size = (h + 2 * p - k) // s + 1
    x, g = images(c, h), images(o, size)
    w = random.standard_normal((o, c // groups, k, k), np.float32)
    geometry: dict[str, Any] = {
        "stride": (s, s),
        "padding": ((p, p), (p, p)),
        "dilation": (1, 1),
        "groups": groups,
    }
    ours: dict[str, Callable[[], Any]] = {
        "forward": lambda: convolution.conv2d(x, w, **geometry),
        "input": lambda: convolution.conv2d_input_grad(g, w, size=(h, h), **geometry),
        "weight": lambda: convolution.conv2d_weight_grad(x, g, kernel=(k, k), **geometry),
    }
    for name, call in ours.items():
        calls = {"kernel": call}
        if torch is not None:
            for order in ("contiguous_format", "channels_last"):
                kind = {"memory_format": getattr(torch, order)}
                tensors = [torch.from_numpy(np.ascontiguousarray(a)).to(**kind) for a in (x, g, w)]
                calls[order] = torch_call(name, *tensors, s, p, groups)
        yield name, 2.0 * g.size * w.size / o, calls


def torch_call(
    name: str, x: Any, g: Any, w: Any, stride: int, padding: int, groups: int
) -> Callable[[], Any]:
    geometry = ([stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups)
    if name == "forward":
        return lambda: torch.ops.aten.convolution(x, w, None, *geometry)
    wanted = [name == "input", name == "weight", False]
    return lambda: torch.ops.aten.convolution_backward(g, x, w, None, *geometry, wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, threads.get_num_threads()])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--layers", nargs="+", default=list(LAYERS), choices=list(LAYERS))
    options = parser.parse_args()
    for number in options.threads:
        threads.set_num_threads(number)
        if torch is not None:
            torch.set_num_threads(number)
        peak = measure_ceilings().flops
        print(
            f"\n{number} threads, peak {peak / 1e9:.0f}: ms (GFLOP/s, share of it, PyTorch's time)"
        )
        for layer in options.layers:
            c, h, o, k, s, *_ = LAYERS[layer]
            line = f"{layer} {c:3d} -> {o:3d}  {h:2d}x{h:<2d} k{k} s{s}"
            for name, work, calls in trio(LAYERS[layer]):
                times = fastest(calls, options.repeats)
                own = times.pop("kernel")
                line += (
                    f" | {name} {1e3 * own:6.2f} ({work / own / 1e9:4.0f}, {work / own / peak:4.0%}"
                )
                line += f", x{min(times.values()) / own:.2f})" if times else ")"
            print(line, flush=True)


if __name__ == "__main__":
    main()
