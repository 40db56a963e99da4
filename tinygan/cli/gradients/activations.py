"""The nonlinearities of neural networks."""

from __future__ import annotations

from tinygan import ops
from tinygan.cli.gradients.table import nonzero, normal, row, uniform
from tinygan.ops import activations, rectifiers

row("sigmoid", ops.sigmoid, normal(2, 3))
row("sigmoid_grad", activations._sigmoid_grad, normal(2, 3), normal(2, 3))
row("softplus", ops.softplus, normal(2, 3))
row("softplus", lambda x: ops.softplus(x, beta=2.5, threshold=5), uniform(-1.5, 1.5, 2, 3))
row("softplus", lambda x: x * ops.softplus(x, threshold=1), uniform(1.5, 2.5, 2, 3))
row(
    "softplus_grad",
    lambda g, x: activations._softplus_grad(g, x, beta=2.5, threshold=2),
    normal(2, 3),
    uniform(-0.7, 0.7, 2, 3),
)
row("logsigmoid", ops.logsigmoid, normal(2, 3))
row("relu", lambda x: x * ops.relu(x), nonzero(2, 3))
row("leaky_relu", lambda x: x * ops.leaky_relu(x), nonzero(2, 3))
row("leaky_relu", lambda x: x * ops.leaky_relu(x, 1.5), nonzero(2, 3))
row("leaky_relu", lambda x: x * ops.leaky_relu(x, -0.2), nonzero(2, 3))
for _slope in (0.0, 0.2, 1.5):
    row(
        "leaky_relu_grad",
        lambda g, x, slope=_slope: g * rectifiers._leaky_relu_grad(g, x, slope),
        normal(2, 3),
        nonzero(2, 3),
    )
row("prelu", ops.prelu, nonzero(2, 3), uniform(0.1, 0.5, 3))
row("prelu", ops.prelu, nonzero(2, 3, 2), uniform(0.1, 0.5, 1))
row("elu", lambda x: ops.elu(x, 0.7), nonzero(2, 3))
row("selu", ops.selu, nonzero(2, 3))
row("silu", ops.silu, normal(2, 3))
row("gelu", ops.gelu, normal(2, 3))
row("elu_grad", lambda g, x: activations._elu_grad(g, x, 0.7), normal(2, 3), nonzero(2, 3))
row("silu_grad", activations._silu_grad, normal(2, 3), normal(2, 3))
row("selu_grad", activations._selu_grad, normal(2, 3), nonzero(2, 3))
row("logsigmoid_grad", activations._logsigmoid_grad, normal(2, 3), normal(2, 3))
row("gelu_grad", activations._gelu_grad, normal(2, 3), normal(2, 3))
row("glu", ops.glu, normal(2, 4))
row("glu", lambda x: ops.glu(x, 0), normal(2, 3))
row("gelu_tanh", lambda x: ops.gelu(x, approximate="tanh"), normal(2, 3))
row("gelu_tanh_grad", activations._gelu_tanh_grad, normal(2, 3), normal(2, 3))
row("hardtanh", lambda x: x * ops.hardtanh(x, -0.1, 0.1), nonzero(2, 3))
row("hardtanh", lambda x: x * ops.hardtanh(x), uniform(-0.9, 0.9, 2, 3))
row(
    "hardtanh_grad",
    lambda g, y: g * rectifiers._hardtanh_grad(g, y, min_val=-0.5, max_val=0.5),
    *(normal(2, 3), uniform(-0.4, 0.4, 2, 3)),
)
row("relu6", lambda x: x * ops.relu6(x), uniform(5.2, 5.8, 2, 3))
