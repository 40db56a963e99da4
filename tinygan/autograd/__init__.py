"""The engine: Tensor, Primitive, grad, and gradients verified numerically."""

from tinygan.autograd.autocast import autocast, is_autocast_enabled
from tinygan.autograd.function import Function
from tinygan.autograd.gradcheck import GradcheckError, GradcheckReport, check, gradcheck
from tinygan.autograd.gradients import zero_gradient
from tinygan.autograd.graph import backward, grad
from tinygan.autograd.memory import change, may_change
from tinygan.autograd.mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    observe,
    set_grad_enabled,
)
from tinygan.autograd.node import Node
from tinygan.autograd.primitive import REGISTRY, Primitive, primitive
from tinygan.autograd.replay import compile
from tinygan.autograd.tensor import Parameter, Size, Tensor, Variable, wrap
from tinygan.autograd.trace import (
    Change,
    add_to,
    assign,
    before_replay,
    called,
    made,
    may_read,
    perform,
    replay_while,
)

__all__ = [
    "REGISTRY",
    "Change",
    "Function",
    "GradcheckError",
    "GradcheckReport",
    "Node",
    "Parameter",
    "Primitive",
    "Size",
    "Tensor",
    "Variable",
    "add_to",
    "assign",
    "autocast",
    "backward",
    "before_replay",
    "called",
    "change",
    "check",
    "compile",
    "enable_grad",
    "grad",
    "gradcheck",
    "inference_mode",
    "is_autocast_enabled",
    "is_grad_enabled",
    "made",
    "may_change",
    "may_read",
    "no_grad",
    "observe",
    "perform",
    "primitive",
    "replay_while",
    "set_grad_enabled",
    "wrap",
    "zero_gradient",
]
