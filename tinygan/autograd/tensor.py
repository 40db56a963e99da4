"""Tensor: an array, the record of how it was computed, and its version."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygan.autograd.trace import assign, may_read, perform
from tinygan.backend import Device, backend_for, backend_of, host_array
from tinygan.backend.dtypes import get_default_dtype

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygan.autograd.hooks import RemovableHandle
    from tinygan.autograd.node import Node


class Tensor:
    """An n-dimensional array that can be differentiated.

    `array` is the NumPy or CuPy array; `node` the record of the operation that made it (None if
    no gradient flows through it); `version` a list shared by all tensors that look into the same
    memory: how often it was changed in place, then weak references to those tensors. The
    methods that compute (`x.sum()`, `x + y`) are the ops of `tinygan.ops`, attached there.
    """

    __slots__ = ("__weakref__", "array", "grad", "hooks", "node", "version")
    __array_ufunc__ = None  # so that `ndarray + tensor` asks the tensor

    array: Any
    node: Node | None
    grad: Tensor | None
    version: list[Any]
    hooks: dict[int, Any]  # of a leaf, there once one is registered

    def __init__(self, *data: Any, requires_grad: bool = False) -> None:
        """Of the default dtype: uninitialised, from sizes, or a copy of an array or of numbers.

        A Tensor shares its memory and keeps its dtype; `tinygan.tensor(data)` keeps an array's.
        """
        self.version = [0]
        self.node = None
        self.grad = None
        source: Any = data[0] if data else ()
        if isinstance(source, (int, np.integer)):
            self.array = np.empty(data, get_default_dtype())
        elif isinstance(source, Size):
            self.array = np.empty(source, get_default_dtype())
        elif len(data) > 1 or isinstance(source, float):
            raise TypeError(
                "Tensor: expected sizes, or one array or sequence of numbers; for a number use "
                "tinygan.tensor(...)"
            )
        elif isinstance(source, Tensor):
            self.array, self.version = source.array, source.version
        elif type(source).__module__ == "builtins":
            self.array = np.array(source, get_default_dtype())
        else:
            backend_of(source)  # refuses what is no array
            self.array = source.astype(get_default_dtype())
        if requires_grad:
            self.requires_grad_()

    # -- what it is ---------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        return Size(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self.array.dtype
        return dtype

    @property
    def device(self) -> Device:
        return backend_of(self.array).device

    @property
    def ndim(self) -> int:
        ndim: int = self.array.ndim
        return ndim

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self.node is None or self.node.op is None

    @property
    def grad_fn(self) -> Node | None:
        """The operation that made it, None for a leaf."""
        return None if self.is_leaf else self.node

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.array.shape[dim]

    def dim(self) -> int:
        return self.ndim

    def numel(self) -> int:
        return int(self.array.size)

    def element_size(self) -> int:
        return int(self.array.itemsize)

    def is_floating_point(self) -> bool:
        return bool(self.array.dtype.kind == "f")

    # -- gradients ----------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask that a gradient be computed for this leaf, or no longer."""
        from tinygan.autograd.node import Node

        if not self.is_leaf:
            if not requires_grad:
                raise RuntimeError(
                    "requires_grad can be taken back from leaves only; use x.detach() for a "
                    "tensor through which no gradient flows"
                )
            return self
        if not requires_grad:
            self.node = None
        elif self.node is None:
            if self.array.dtype.kind != "f":
                raise RuntimeError(
                    f"only floating-point tensors can require gradients, this one is {self.dtype}"
                )
            self.node = Node.leaf(self)
        return self

    def retain_grad(self) -> None:
        """Have `backward` fill `.grad` of this tensor although it is no leaf."""
        if self.node is None:
            raise RuntimeError("retain_grad: this tensor does not require a gradient")
        self.node.tensor = weakref.ref(self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook(g)` with the gradient by this tensor whenever one is computed.

        What it returns, unless None, is what goes on. `handle.remove()` takes the hook off.
        """
        from tinygan.autograd.hooks import register_hook

        return register_hook(self, hook)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Iterable[Tensor] | None = None,
    ) -> None:
        """Add d(self)/d(leaf) to `.grad` of every leaf that requires a gradient, or of `inputs`."""
        from tinygan.autograd.graph import backward

        backward((self,), (gradient,), retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Tensor:
        """The same memory, with no gradient flowing through it."""
        return wrap(self.array, None, self.version)

    def detach_(self) -> Tensor:
        self.node = None
        return self

    @property
    def data(self) -> Tensor:
        """The same memory outside of the record; assigning replaces the memory."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        self.array = value.array
        self.version = value.version
        if self.node is not None and self.is_leaf:
            self.node = None
            self.requires_grad_()

    # -- across the host ----------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """The NumPy array of a tensor on the CPU, sharing its memory."""
        if self.requires_grad:
            raise RuntimeError(
                "numpy(): this tensor requires a gradient; use x.detach().numpy() instead"
            )
        if self.device.type != "cpu":
            raise TypeError(f"numpy(): this tensor is on {self.device}; use x.cpu().numpy()")
        may_read("numpy()")
        array: np.ndarray = self.array
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def item(self) -> Any:
        """The only element as a Python number."""
        if self.array.size != 1:
            raise RuntimeError(
                f"item(): a tensor with {self.array.size} elements cannot be converted to a "
                "number; one element is expected"
            )
        may_read("item()")
        return host_array(self.array).item()

    def tolist(self) -> Any:
        may_read("tolist()")
        return host_array(self.array).tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iu":
            raise TypeError(f"only integer tensors can be used as an index, this is {self.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise RuntimeError(
                f"the truth value of a tensor with {self.array.size} elements is ambiguous; use "
                "x.any() or x.all()"
            )
        return bool(self.item())

    def __len__(self) -> int:
        if not self.array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return int(self.array.shape[0])

    def __iter__(self) -> Any:
        if not self.array.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())

    def __dlpack__(self, **keywords: Any) -> Any:
        if self.requires_grad:
            raise BufferError("DLPack: this tensor requires a gradient; export x.detach()")
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("only leaf tensors can be copied with deepcopy; detach() it first")
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        array = backend_of(self.array).xp.empty_like(self.array)
        perform(assign, array, self.array)
        copy.array, copy.node, copy.version = array, None, [0]
        copy.grad = None if self.grad is None else self.grad.__deepcopy__(memo)
        return copy.requires_grad_(self.requires_grad)

    def __format__(self, spec: str) -> str:
        """As a Python number where there is one element without dimensions: f"{loss:.3f}"."""
        return format(self.item(), spec) if not self.array.ndim else super().__format__(spec)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        text = np.array2string(
            host_array(self.array), separator=", ", precision=4, prefix="tensor(", threshold=1000
        )
        notes = ""
        if self.dtype not in (get_default_dtype(), np.int64, np.bool_):
            notes += f", dtype={self.dtype}"
        if self.device.type != "cpu":
            notes += f", device='{self.device}'"
        if not self.is_leaf and self.node is not None:
            notes += f", grad_fn=<{self.node.op}>"
        elif self.requires_grad:
            notes += ", requires_grad=True"
        return f"tensor({text}{notes})"

    if TYPE_CHECKING:  # attached by tinygan.ops.methods, where each op lives

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]


class Size(tuple[int, ...]):
    """A shape: a tuple with PyTorch's `numel`."""

    __slots__ = ()

    def numel(self) -> int:
        result = 1
        for n in self:
            result *= n
        return result

    def __repr__(self) -> str:
        return f"Size({list(self)})"


class Parameter(Tensor):
    """A tensor that a Module counts among its parameters; requires a gradient by default."""

    __slots__ = ()

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        source = Tensor(()) if data is None else data
        self.array = source.array
        self.node = None
        self.grad = None
        self.version = source.version
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class _OldName(type):
    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Tensor)


class Variable(Tensor, metaclass=_OldName):
    """What scripts for PyTorch from before 2018 wrap tensors in: a leaf with the same memory.

    It is a plain Tensor, as all tensors count as Variables, and no gradient flows through it to
    `data`.
    """

    __slots__ = ()

    def __new__(cls, data: Tensor, requires_grad: bool = False) -> Any:
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable: expected a Tensor, got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)


_new = Tensor.__new__


def wrap(array: Any, node: Node | None = None, version: list[Any] | None = None) -> Tensor:
    """A tensor around an array of a known backend, with nothing checked: the hot path."""
    x = _new(Tensor)
    x.array = array
    x.node = node
    x.grad = None
    x.version = [0] if version is None else version
    return x


def to_device(x: Tensor, device: str | Device) -> Any:
    """The array of `x` on a device: itself when it is there already."""
    backend, target = backend_of(x.array), backend_for(device)
    if target is backend:
        return x.array
    return target.from_host(backend.to_host(x.array))
