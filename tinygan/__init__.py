"""A neural-net engine from scratch, whose subject is the generative adversarial network."""

import importlib as _importlib
from math import e, inf, nan, pi
from typing import TYPE_CHECKING as _TYPE_CHECKING

from tinygan import autograd, distributed
from tinygan.autograd import (
    Parameter,
    Size,
    Tensor,
    autocast,
    compile,
    enable_grad,
    inference_mode,
    is_autocast_enabled,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from tinygan.backend import Device as device
from tinygan.backend import cuda
from tinygan.backend.cpu.threads import get_num_threads, set_num_threads
from tinygan.backend.cuda.precision import allow_cudnn, allow_tf32
from tinygan.backend.dtypes import (
    bfloat16,
    double,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    int8,
    int16,
    int32,
    int64,
    long,
    set_default_dtype,
    short,
    uint8,
)
from tinygan.backend.dtypes import bool_ as bool
from tinygan.backend.dtypes import float32 as float
from tinygan.backend.dtypes import int32 as int
from tinygan.ops import *
from tinygan.ops.files import load, save

__version__ = "0.1.0"


if _TYPE_CHECKING:
    from tinygan import amp, backends, data, distributions, losses, nn, optim, utils


def __getattr__(name: str) -> object:
    """The packages above the ops, loaded at first use: the command line's help needs none."""
    if name in ("amp", "backends", "data", "distributions", "losses", "nn", "optim", "utils"):
        return _importlib.import_module(f"tinygan.{name}")
    raise AttributeError(f"module 'tinygan' has no attribute {name!r}")
