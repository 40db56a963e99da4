"""tinygan: a neural-net engine from scratch, whose subject is the generative adversarial network."""

from tinygan.autograd import (
    Parameter,
    Size,
    Tensor,
    enable_grad,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from tinygan.backend import Device as device
from tinygan.backend.dtypes import (
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    set_default_dtype,
    uint8,
)
from tinygan.backend.dtypes import bool_ as bool
from tinygan.ops import *  # noqa: F403

__version__ = "0.1.0"
