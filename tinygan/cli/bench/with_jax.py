"""The workloads as programs for JAX: one jitted function a step, its state donated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tinygan.cli.bench.workloads import BATCHES, BETAS, EPS, LEARNING_RATE, Place, arrays

VARIANTS: dict[str, str] = {"jax jit": "NHWC"}
LAYOUT = ("NHWC", "HWIO", "NHWC")


def leaky(x: Any) -> Any:
    return jnp.where(x > 0, x, 0.2 * x)


def linear(p: Any, x: Any) -> Any:
    return x @ p[0].T + p[1]


def norm(p: Any, x: Any, eps: float = 1e-5) -> Any:
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    var = jnp.square(x - mean).mean(axes)
    return (x - mean) * lax.rsqrt(var + eps) * p[0] + p[1]


def down(p: Any, x: Any, stride: int = 2, padding: int = 1) -> Any:
    """A convolution whose weights are (h, w, in, out)."""
    pads = [(padding, padding)] * 2
    return lax.conv_general_dilated(x, p[0], (stride,) * 2, pads, dimension_numbers=LAYOUT)


def up(p: Any, x: Any, stride: int = 2, padding: int = 1) -> Any:
    """A transposed convolution, the gradient of one whose weights are (h, w, out, in)."""
    pads = [(3 - padding, 3 - padding)] * 2
    w = p[0][::-1, ::-1]
    return lax.conv_general_dilated(
        x, w, (1, 1), pads, lhs_dilation=(stride,) * 2, dimension_numbers=LAYOUT
    )


def generate(name: str, p: Any, z: Any) -> Any:
    if name == "toy":
        return linear(p[4:], jax.nn.relu(linear(p[2:4], jax.nn.relu(linear(p, z)))))
    if name == "mlp":
        x = leaky(linear(p, z))
        for i in (2, 6, 10):
            x = leaky(norm(p[i + 2 : i + 4], linear(p[i : i + 2], x), 0.8))
        return jnp.tanh(linear(p[14:], x))
    if name == "dcgan28":
        x = linear(p, z).reshape(-1, 128, 7, 7).transpose(0, 2, 3, 1)
        x = jax.nn.relu(norm(p[2:4], x))
        x = jax.nn.relu(norm(p[5:7], up(p[4:5], x)))
        return jnp.tanh(up(p[7:8], x))
    x = jax.nn.relu(norm(p[1:3], up(p[0:1], z.transpose(0, 2, 3, 1), 1, 0)))
    for i in (3, 6, 9):
        x = jax.nn.relu(norm(p[i + 1 : i + 3], up(p[i : i + 1], x)))
    return jnp.tanh(up(p[12:13], x))


def judge(name: str, p: Any, x: Any) -> Any:
    if name == "classifier":
        return linear(p[2:], jax.nn.relu(linear(p, x)))
    if name in ("toy", "mlp"):
        return linear(p[4:], leaky(linear(p[2:4], leaky(linear(p, x)))))
    if name in ("dcgan28", "wgan-gp"):
        x = down(p[1:2], leaky(down(p[0:1], x)))
        x = leaky(norm(p[2:4], x) if name == "dcgan28" else x)
        return linear(p[-2:], x.transpose(0, 3, 1, 2).reshape(len(x), -1))
    x = leaky(down(p[0:1], x))
    for i in (1, 4, 7):
        x = leaky(norm(p[i + 1 : i + 3], down(p[i : i + 1], x)))
    return down(p[10:11], x, 1, 0).reshape(len(x), 1)


def adam(p: Any, g: Any, state: Any) -> Any:
    m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, m, g)
    v = jax.tree.map(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, v, g)
    root = jnp.sqrt(1 - BETAS[1] ** t)
    rate = LEARNING_RATE / (1 - BETAS[0] ** t)
    p = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + EPS), p, m, v)
    return p, (m, v, t)


def build(name: str, variant: str, place: Place) -> Callable[[int], Any]:
    """The step of a workload: batch number -> losses. The worker chose the CPU's threads."""
    given = arrays(name)

    def own(values: list[np.ndarray]) -> list[Any]:
        # (out, in, h, w) and, transposed, (in, out, h, w) -> (h, w, in, out)
        return [jnp.asarray(v if v.ndim < 4 else v.transpose(2, 3, 1, 0)) for v in values]

    g = own(given.generator)
    g = [v.transpose(0, 1, 3, 2) if v.ndim == 4 else v for v in g]
    d = own(given.discriminator)

    def images(values: list[np.ndarray], channels_last: bool) -> list[Any]:
        move = channels_last and values[0].ndim == 4
        return [jnp.asarray(v.transpose(0, 2, 3, 1) if move else v) for v in values]

    real, noise = images(given.real, True), images(given.noise, name == "wgan-gp")
    labels, mixing = ([jnp.asarray(v) for v in vs] for vs in (given.labels, given.mixing))

    def start(p: Any) -> Any:
        return jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p), jnp.zeros(())

    plus = jax.nn.softplus

    def classify(state: Any, x: Any, y: Any) -> Any:
        d, optimizer = state

        def error(d: Any) -> Any:
            logits = jax.nn.log_softmax(judge(name, d, x))
            return -jnp.take_along_axis(logits, y[:, None], 1).mean()

        value, gradient = jax.value_and_grad(error)(d)
        return adam(d, gradient, optimizer), (value,)

    def criticise(state: Any, x: Any, fake: Any, mix: Any) -> Any:
        d, optimizer = state

        def error(d: Any) -> Any:
            between = mix * x + (1 - mix) * fake
            slope = jax.grad(lambda x: judge(name, d, x).sum())(between)
            lengths = jnp.sqrt(jnp.square(slope).sum((1, 2, 3)))
            penalty = jnp.square(lengths - 1).mean()
            return judge(name, d, fake).mean() - judge(name, d, x).mean() + 10 * penalty

        value, gradient = jax.value_and_grad(error)(d)
        return adam(d, gradient, optimizer), (value,)

    def play(state: Any, x: Any, z: Any) -> Any:
        g, g_optimizer, d, d_optimizer = state

        def d_error(d: Any, fake: Any) -> Any:
            return plus(-judge(name, d, x)).mean() + plus(judge(name, d, fake)).mean()

        fake, back = jax.vjp(lambda g: generate(name, g, z), g)
        d_value, gradient = jax.value_and_grad(d_error)(d, fake)
        d, d_optimizer = adam(d, gradient, d_optimizer)
        g_value, gradient = jax.value_and_grad(lambda x: plus(-judge(name, d, x)).mean())(fake)
        g, g_optimizer = adam(g, back(gradient)[0], g_optimizer)
        return (g, g_optimizer, d, d_optimizer), (d_value, g_value)

    function: Callable[..., Any]
    state: Any
    inputs: tuple[Any, ...]
    if name == "classifier":
        function, inputs, state = classify, (real, labels), (d, start(d))
    elif name == "wgan-gp":
        function, inputs, state = criticise, (real, noise, mixing), (d, start(d))
    else:
        function, inputs, state = play, (real, noise), (g, start(g), d, start(d))
    step = jax.jit(function, donate_argnums=0)

    def run(number: int) -> list[float]:
        nonlocal state
        state, losses = step(state, *[xs[number % BATCHES] for xs in inputs])
        jax.block_until_ready(state)
        return [float(x) for x in losses]

    return run


def version() -> str:
    return str(jax.__version__)
