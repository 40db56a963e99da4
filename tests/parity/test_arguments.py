"""Calls as scripts write them, by PyTorch's names of arguments and by NumPy's where it takes them.

Each line is evaluated with the names of both libraries.
"""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from against_torch import same  # noqa: E402

import tinygan  # noqa: E402
import tinygan.nn.functional  # noqa: E402

CALLS = """
flip(x, dims=(1,))
x.flip(dims=[0, 1])
permute(x, dims=(1, 0))
x.permute(dims=(1, 0))
reshape(x, shape=(3, 2))
x.view(size=(3, 2))
x.repeat(repeats=(2, 1))
x.expand(size=(2, 2, 3))
broadcast_to(x, size=(2, 2, 3))
tile(x, dims=(2, 1))
zeros(size=(2, 3))
ones(size=[2, 3])
x.new_zeros(size=(2, 3))
x.new_full(size=(2,), fill_value=1)
randint(1, size=(2,))
randint(high=1, size=(2,))
randint(low=1, high=2, size=(2, 3))
sum(input=x, dim=1)
mean(input=x)
clamp(input=x, min=0)
exp(input=x)
where(condition=x > 0, input=x, other=-x)
matmul(input=x, other=y)
mm(input=x, mat2=y)
bmm(input=x[None], mat2=y[None])
dot(input=x[0], tensor=x[0])
add(input=x, other=1)
maximum(input=x, other=-x)
pow(input=x, exponent=2)
squeeze(input=x[None], dim=0)
unsqueeze(input=x, dim=0)
transpose(input=x, dim0=0, dim1=1)
flatten(input=x, start_dim=0)
chunk(input=x, chunks=2, dim=0)[1]
unbind(input=x, dim=0)[1]
gather(input=x, dim=1, index=i[:, None])
index_select(input=x, dim=1, index=i)
masked_fill(input=x, mask=x > 0, value=0)
masked_select(input=x, mask=x > 0)
x.scatter(dim=1, index=i[:, None], value=1.0)
zeros(2, 3).scatter_(1, index=i[:, None], src=ones(2, 1))
zeros(2, 3).scatter_(1, i[:, None], 1)
topk(input=x, k=2).values
sort(input=x, dim=1).indices
max(input=x, dim=1).values
argmax(input=x, dim=1)
norm(input=x, p=2, dim=1)
std(input=x, dim=0, unbiased=False)
var(input=x, dim=0, correction=0)
logsumexp(input=x, dim=1)
cumsum(input=x, dim=1)
lerp(input=x, end=-x, weight=0.5)
addmm(input=ones(2, 2), mat1=x, mat2=y)
zeros_like(input=x)
sigmoid(input=x)
softmax(input=x, dim=1)
nn.functional.linear(input=x, weight=x)
nn.functional.softplus(input=x)
nn.functional.logsigmoid(input=x)
nn.functional.gelu(input=x)
nn.functional.pad(input=x, pad=(1, 1), mode="constant", value=0)
nn.functional.embedding(input=i, weight=y)
nn.functional.prelu(input=x, weight=ones(1))
cat([x, x], axis=0)
concat(tensors=(x, x), axis=1)
concatenate([x, x], axis=1)
stack([x, x], axis=2)
vstack([x, x + 1])
vstack((x[0], x))
vstack([x[0, 0], x[1, 1]])
hstack([x, x[:, :1]])
hstack((x[0], x[1, :2]))
hstack([x[0, 0], x[1]])
softmax(x, axis=1)
x.max(axis=1, keepdims=True).values
x.std(axis=0, keepdims=True)
x.norm(dim=1, keepdim=True)
x.prod(axis=1)
x.sum(axis=1, keepdims=True)
tensor(numel(x))
"""


def evaluated(lib: Any, call: str) -> Any:
    names = {name: getattr(lib, name) for name in dir(lib) if not name.startswith("__")}
    names["x"] = lib.tensor([[0.5, -1.0, 2.0], [0.25, 3.0, -4.0]])
    names["y"] = lib.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    names["i"] = lib.tensor([0, 2])
    return eval(call, names)


@pytest.mark.parametrize("call", CALLS.strip().splitlines())
def test_calls(call: str) -> None:
    same(evaluated(tinygan, call), evaluated(torch, call), call)


@pytest.mark.parametrize(
    "call",
    [
        "zeros(2, size=(2,))",
        "x.permute(1, 0, dims=(1, 0))",
        "matmul(x, y, input=x)",
        "zeros(2, 3).scatter_(1, i[:, None])",
        "randint(size=(2,))",
    ],
)
def test_what_makes_no_sense_is_refused_by_both(call: str) -> None:
    for lib in (tinygan, torch):
        with pytest.raises((TypeError, RuntimeError)):
            evaluated(lib, call)
