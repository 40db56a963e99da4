"""Every CUDA source is compiled for every architecture that it is meant for, without a GPU."""

from __future__ import annotations

import nvrtc
import pytest
from test_gpu_report import script

from tinygan.backend.cuda import activations, elementwise, mapping, source

ARCHITECTURES = (75, 80, 90, 100)

DECLARED = nvrtc.declared()
REGISTERS = script("cuda_registers")
OPS = {
    name: op
    for name, op in {**vars(elementwise), **vars(activations)}.items()
    if isinstance(op, mapping.Elementwise)
}

pytestmark = pytest.mark.skipif(nvrtc.LIBRARY is None, reason="needs nvidia-cuda-nvrtc-cu12")


# bytes that a thread may write to memory and read again for want of registers: none by the compiler
# of constraints.txt, and by other versions a few, where blocks meet
ALLOWED = 0 if nvrtc.LIBRARY is None or nvrtc.version() == (12, 9) else 160


@pytest.fixture(params=ARCHITECTURES)
def architecture(request):
    if request.param not in nvrtc.architectures():
        pytest.skip(f"this compiler does not know sm_{request.param}")
    return request.param


@pytest.mark.parametrize("name", DECLARED)
def test_every_kernel_compiles(name, architecture):
    variants = DECLARED[name]
    code, log = nvrtc.compiled(source.text(name), variants, architecture)
    assert code.startswith("\x7fELF")
    assert log.count("Compiling entry function") == len(set(variants))
    spilled = {row["kernel"]: row["spilled"] for row in REGISTERS.entries(log) if row["spilled"]}
    assert max(spilled.values(), default=0) <= ALLOWED, f"{name}: {spilled}"


def test_every_elementwise_function_compiles(architecture):
    text = source.text("functions.cuh")
    for kind in ("float", "double"):
        for name, op in OPS.items():
            given = "".join(
                f"{'bool' if op.masked and not i else kind} {parameter}, "
                for i, parameter in enumerate(op.parameters)
            )
            result = "bool" if op.truth else kind
            text += (
                f'extern "C" __global__ void {name}_{kind}({given}{result}* result) '
                f"{{ *result = {op.expression}; }}\n"
            )
    code, _ = nvrtc.compiled(text, [], architecture)
    assert code.startswith("\x7fELF")


def test_a_mistake_is_found():
    with pytest.raises(RuntimeError, match="undefined"):
        nvrtc.compiled('extern "C" __global__ void f(float* x) { *x = g(1); }', [], 80)
