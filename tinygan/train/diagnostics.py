"""Diagnostics: a look at a step now and then, recorded with the step and read when it has arrived.

A step that is looked at is the same step: nothing here draws random numbers or changes what the
networks compute, so a run with diagnostics has the weights of one without, bit for bit.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from tinygan.autograd import Tensor, no_grad
from tinygan.backend.cuda.devices import memory_reserved
from tinygan.losses import BoundaryEquilibrium, Game
from tinygan.nn import ConvTranspose1d, ConvTranspose2d, Module
from tinygan.nn.spectral_norm import SpectralNorm, power_iteration
from tinygan.ops import Generator, matmul, randn, stack
from tinygan.train.figures import UNITS, Figures, logit_figures, sample_figures
from tinygan.train.step import norm

Gradients = Iterable[Tensor | None]
Penalty = Callable[..., Tensor]
Name = tuple[str, ...]  # ("critic_gap",), or ("D.layers.1", "singular_value")

EPS = 1e-12
FIRST, LATER = 20, 2  # power iterations before the first look, and in each


class Looked(NamedTuple):
    """The figures of a step on its device: their names, and a vector."""

    names: list[Name]
    values: Tensor

    def record(self, values: Sequence[float]) -> dict[str, Any]:
        """{figure: value, "layers": {layer: {figure: value}}}, from the values on the host."""
        record: dict[str, Any] = {}
        layers: dict[str, dict[str, float]] = {}
        for name, value in zip(self.names, values, strict=True):
            place = record if len(name) == 1 else layers.setdefault(name[0], {})
            place[name[-1]] = value
        return {**record, "layers": layers}


class Diagnostics:
    """What is looked at in both networks: `with diagnostics.watch() as watch`, around a step.

    Of every layer with weights w of its own: `gradient`, the norm of its gradient; `update`,
    |dw| / |w| over the step; `singular_value`, the largest of its weight as a matrix (outputs x the
    rest), by a power iteration that goes on from look to look, a value from below. Of activations:
    `dead` and `saturated` units, see `figures`: G's on the first noise of the step, D's on its
    first real batch. Of the whole: `logit_figures`, `sample_figures`, the `penalty` as it is added
    to D's loss, and what `judges` make of G's samples. All of the step's last batches.
    """

    def __init__(
        self,
        generator: Module,
        discriminator: Module,
        game: Game | BoundaryEquilibrium,
        judges: Sequence[Callable[[Tensor], Figures]],
        device: str,
    ) -> None:
        self.networks = {"G": generator, "D": discriminator}
        self.game = game
        self.judges = judges
        self.names: list[Name] = []
        self.modules = {
            ".".join(filter(None, (name, path))): module
            for name, network in self.networks.items()
            for path, module in network.named_modules()
        }
        random = Generator(device).manual_seed(0)  # of its own
        self.vectors: dict[str, dict[str, Tensor]] = {}
        with no_grad():
            for name, module in self.modules.items():
                matrix = as_matrix(module)
                if matrix is not None:
                    u, v = (
                        randn(n, generator=random, dtype=matrix.dtype, device=device)
                        for n in matrix.shape
                    )
                    power_iteration(matrix, u, v, FIRST, EPS)
                    self.vectors[name] = {"u": u, "v": v}

    def watch(self) -> Watch:
        return Watch(self)

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        return {name: dict(pair) for name, pair in self.vectors.items()}

    def load_state_dict(self, state: dict[str, dict[str, Tensor]]) -> None:
        for name, pair in self.vectors.items():
            for key, x in pair.items():
                x.copy_(state[name][key])


class Watch:
    """Watches one step; `finish()` gives its figures as a vector, in the order of `names`."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self.diagnostics = diagnostics
        self.found: dict[Name, Tensor] = {}

    def __enter__(self) -> Watch:
        modules = self.diagnostics.modules
        self.hooks = [
            module.register_forward_hook(self._hook(name))
            for name, module in modules.items()
            if type(module) in UNITS
        ]
        self.before = {
            name: [p.detach().clone() for p in own(module)] for name, module in modules.items()
        }
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def _hook(self, name: str) -> Callable[[Module, Any, Tensor], None]:
        def look(module: Module, inputs: Any, y: Tensor) -> None:
            figure, function = UNITS[type(module)]
            if (name, figure) not in self.found:
                with no_grad():
                    self.found[name, figure] = function(y.detach())

        return look

    def weighed(self, penalty: Penalty, batches: int) -> Penalty:
        """The penalty, whose value on D's last batch is kept; an unrolled D comes after it."""
        left = batches

        def kept(*arguments: Any) -> Tensor:
            nonlocal left
            value = penalty(*arguments)
            left -= 1
            if left == 0:
                self.found[("penalty",)] = value.detach()
            return value

        return kept

    def __call__(
        self,
        real: Tensor,
        fake: Tensor,
        real_logits: Tensor,
        fake_logits: Tensor,
        d_gradients: Gradients,
        g_gradients: Gradients,
    ) -> None:
        """What `gan_step` tells at its end, without recording for gradients."""
        fake = fake.detach()
        figures = logit_figures(self.diagnostics.game, real_logits.detach(), fake_logits.detach())
        figures |= sample_figures(real, fake)
        for judge in self.diagnostics.judges:
            figures |= judge(fake)
        self.found |= {(name,): x for name, x in figures.items()}
        gradients: dict[int, Tensor | None] = {}
        for network, found in zip("DG", (d_gradients, g_gradients), strict=True):
            parameters = self.diagnostics.networks[network].parameters()
            gradients |= {id(p): g for p, g in zip(parameters, found, strict=True)}
        for name, module in self.diagnostics.modules.items():
            of_layer = [g for p in own(module) if (g := gradients[id(p)]) is not None]
            if of_layer:
                self.found[name, "gradient"] = norm(of_layer)

    @no_grad()
    def finish(self) -> Tensor:
        """The figures, once the step is done."""
        for name, module in self.diagnostics.modules.items():
            before, now = self.before[name], own(module)
            if now:
                moved = [w - old for w, old in zip(now, before, strict=True)]
                self.found[name, "update"] = norm(moved) / (norm(before) + EPS)
            if name in self.diagnostics.vectors:
                u, v = self.diagnostics.vectors[name].values()
                matrix = as_matrix(module)
                assert matrix is not None
                power_iteration(matrix, u, v, LATER, EPS)
                self.found[name, "singular_value"] = (u * matmul(matrix, v)).sum()
        self.diagnostics.names = list(self.found)
        return stack([x.to(self.found[("spread",)].dtype) for x in self.found.values()])


def own(module: Module) -> list[Tensor]:
    """The parameters of a module itself, without those of its parts."""
    return list(module.parameters(recurse=False))


def as_matrix(module: Module) -> Tensor | None:
    """A layer's weight as (outputs, the rest), normalised where it is; None if it has no matrix."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim < 2:
        return None
    dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d)) else 0
    return SpectralNorm("weight", LATER, EPS, dim).matrix(weight.detach())


def memory(device: str) -> int:
    """Bytes: the most that the process has held so far, or what the device's pool holds."""
    if device != "cpu":
        return memory_reserved()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
