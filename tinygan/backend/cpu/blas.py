"""NumPy's BLAS on one thread, so that the kernels' threads are the only ones.

A BLAS with threads of its own waits for all of them at every call, and keeps them spinning in
between: with one core taken by another program a product of a millisecond takes ten, and the
kernels that follow find their cores occupied. So OpenBLAS is told to use one thread, for the whole
process, when the first kernel is loaded; `matmul` splits large products instead. Where the BLAS is
another one it is left alone.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np


def _own_the_threads() -> bool:
    """Tell the OpenBLAS of NumPy's wheels to use one thread; whether that was possible."""
    package = Path(np.__file__).parent
    for folder in (package.with_name("numpy.libs"), package / ".dylibs"):
        for library in folder.glob("*openblas*"):
            try:
                ctypes.CDLL(str(library)).scipy_openblas_set_num_threads64_(1)
            except (OSError, AttributeError):
                continue
            return True
    return False


OURS = _own_the_threads()
