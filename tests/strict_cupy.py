"""A stand-in for CuPy on machines without a GPU, at least as strict as CuPy is.

Arrays are a class of their own around NumPy arrays, not a subclass, so nothing of NumPy's accepts
them by accident. Refused, as by CuPy: np.asarray(a), ufuncs and operators with an ndarray, storing
an ndarray into an array or an array into an ndarray, functions that CuPy does not have. Refused
beyond CuPy: ndarrays as an index (CuPy copies them silently), and, within `no_synchronization()`,
everything that would make the host wait for the device.

Where there is a C++ compiler the CUDA kernels are run too, on the host (see `cuda_on_host`).

A green run on it shows that the code keeps host and device apart, and that the kernels compute what
they should. It shows nothing about streams or CuPy's wrap-around of indices that are out of range.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import cuda_on_host
import numpy as np

from tinygan.backend import Backend, Device, backend_for

# what NumPy 2.4 has and CuPy 14.2 has not, found by comparing the two namespaces
MISSING = """
    asmatrix block bmat busday_count busday_offset busdaycalendar datetime64 datetime_as_string
    datetime_data einsum_path emath errstate frompyfunc fromregex geomspace geterr geterrcall
    histogram_bin_edges insert is_busday isnat longdouble ma matrix matvec memmap nanpercentile
    nanquantile ndenumerate nditer nested_iters polyder polydiv polyint rec recarray setbufsize
    seterr seterrcall spacing strings timedelta64 unstack vecdot vecmat multi_dot matrix_norm
    svdvals vector_norm
    """

# what has to know the data before it can allocate its result
SIZED_BY_DATA = ("nonzero", "flatnonzero", "argwhere", "unique", "extract", "compress")

_waiting_allowed = True


@contextmanager
def no_synchronization() -> Iterator[None]:
    """Refuse whatever reads a value back to the host: on a GPU by cupyx.allow_synchronize."""
    global _waiting_allowed
    if backend_for("cuda").xp.__name__ == "cupy":
        import cupyx

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that it does not see everything
            allowed = cupyx.allow_synchronize(False)
            allowed.__enter__()
        try:
            yield
        finally:
            allowed.__exit__(None, None, None)
        return
    _waiting_allowed = False
    try:
        yield
    finally:
        _waiting_allowed = True


def _wait() -> None:
    if not _waiting_allowed:
        raise RuntimeError("the host reads a value back from the device")


def _unwrap(x: Any) -> Any:
    if isinstance(x, StrictArray):
        return x._a
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, (list, tuple)) and any(isinstance(i, (StrictArray, np.ndarray)) for i in x):
        return type(x)(_unwrap(i) for i in x)
    return x


def _wrap(y: Any, *arguments: Any) -> Any:
    if isinstance(y, np.ndarray):
        for a in arguments:
            if isinstance(a, StrictArray):
                if y is a._a:
                    return a
                owner = a._a.base if isinstance(a._a.base, np.ndarray) else a._a
                if y.base is not None and y.base is owner:
                    return StrictArray(y, a if a.base is None else a.base)
        return StrictArray(y)
    if isinstance(y, np.generic):
        return StrictArray(np.asarray(y))
    if isinstance(y, (tuple, list)):
        items = [_wrap(i, *arguments) for i in y]
        return y._make(items) if hasattr(y, "_make") else type(y)(items)  # qr: a named tuple
    return y


def _call(function: Any, *args: Any, **kwargs: Any) -> Any:
    with np.errstate(all="ignore"):
        y = function(*map(_unwrap, args), **{k: _unwrap(v) for k, v in kwargs.items()})
    everything = [*args, *kwargs.values()]
    for x in args:
        if isinstance(x, (list, tuple)):
            everything += x
    result = _wrap(y, *everything)
    if isinstance(result, StrictArray) and not any(result is x for x in everything):
        cuda_on_host.made(result, getattr(function, "__name__", ""))
    return result


class Memory(NamedTuple):
    """Where an array is: `array.data.ptr`."""

    ptr: int


class StrictArray:
    """An array "on the device"."""

    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, a: np.ndarray, base: StrictArray | None = None) -> None:
        self._a, self.base = a, base

    @property
    def data(self) -> Memory:
        return Memory(self._a.ctypes.data)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # else __array_interface__ would let np.asarray in
            raise AttributeError(name)
        value = getattr(self._a, name)
        if name in ("item", "tolist"):
            _wait()
            return value
        if name in SIZED_BY_DATA:
            _wait()
        if callable(value):
            return lambda *args, **kwargs: _call(
                lambda a, *rest, **more: getattr(a, name)(*rest, **more), self, *args, **kwargs
            )
        return _wrap(value, self)

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if any(getattr(i, "dtype", None) == np.bool_ for i in parts):
            _wait()  # the shape of the result depends on the mask
        return _call(operator.getitem, self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        cuda_on_host.refuse_capture("an assignment")
        self._a[_unwrap(index)] = _unwrap(value)

    def set(self, array: np.ndarray) -> None:
        self._a[...] = array

    def get(self, out: np.ndarray) -> np.ndarray:
        _wait()
        out[...] = self._a
        return out

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_function__(self, *args: Any) -> Any:
        raise TypeError("a NumPy function was called with a device array")

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._a.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._a.__dlpack_device__()

    def __bool__(self) -> bool:
        _wait()
        return bool(self._a)

    def __float__(self) -> float:
        _wait()
        return float(self._a)

    def __int__(self) -> int:
        _wait()
        return int(self._a)

    def __index__(self) -> int:
        _wait()
        return operator.index(self._a)

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"strict({self._a!r})"


def _attach_operators() -> None:
    """Give StrictArray the operators, each through `_call`."""

    def unary(f: Any) -> Any:
        return lambda self: _call(f, self)

    def binary(f: Any) -> Any:
        return lambda self, other: _call(f, self, other)

    def reflected(f: Any) -> Any:
        return lambda self, other: _call(f, other, self)

    def inplace(f: Any) -> Any:
        def store(self: StrictArray, other: Any) -> StrictArray:
            cuda_on_host.refuse_capture(f.__name__)
            with np.errstate(all="ignore"):
                f(self._a, _unwrap(other))
            return self

        return store

    for name in ("neg", "pos", "abs", "invert"):
        setattr(StrictArray, f"__{name}__", unary(getattr(operator, name)))
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(StrictArray, f"__{name}__", binary(getattr(operator, name)))
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or",
                 "xor", "lshift", "rshift"):  # fmt: skip
        function = getattr(operator, f"__{name}__")
        setattr(StrictArray, f"__{name}__", binary(function))
        setattr(StrictArray, f"__r{name}__", reflected(function))
        setattr(StrictArray, f"__i{name}__", inplace(getattr(operator, f"__i{name}__")))


_attach_operators()


class _Function:
    """A NumPy function or ufunc that takes and gives strict arrays."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._function.__name__ in SIZED_BY_DATA:
            _wait()
        return _call(self._function, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:  # add.at, add.reduce, ...
        return _Function(getattr(self._function, name))


cuda_on_host.Array = StrictArray


class StrictNamespace:
    """NumPy's namespace, as far as CuPy has it."""

    ndarray = StrictArray
    RawModule, ElementwiseKernel = cuda_on_host.RawModule, cuda_on_host.ElementwiseKernel
    cuda = cuda_on_host
    get_default_memory_pool = staticmethod(cuda_on_host.DefaultPool)

    def __init__(self, module: ModuleType = np) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name in MISSING.split():
            raise AttributeError(f"CuPy has no {name}")
        value = getattr(self._module, name)
        if isinstance(value, ModuleType):
            return StrictNamespace(value)
        if isinstance(value, type) or not callable(value):
            return value
        return _Function(value)


def _to_host(x: StrictArray) -> np.ndarray:
    _wait()
    return x._a.copy(order="K")


def _fetch(x: StrictArray) -> Any:
    landing = x._a.copy()

    def wait() -> np.ndarray:
        _wait()
        return landing

    return wait


def backend() -> Backend:
    """The stand-in as a backend, in the place of the CUDA device."""
    return Backend(
        "cuda" if cuda_on_host.COMPILER else "stand-in",
        StrictNamespace(),
        StrictArray,
        None,
        Device("cuda", 0),
        from_host=lambda a: StrictArray(np.array(a, order="K")),
        to_host=_to_host,
        fetch=_fetch,
        address=lambda a: a._a.ctypes.data,
        at=cuda_on_host.at,
        tape="tinygan.backend.cuda.graph:Tape",
    )
