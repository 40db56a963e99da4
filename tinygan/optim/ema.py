"""EMA: a moving average of a module's weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tinygan.autograd import Tensor, before_replay, perform, wrap
from tinygan.backend import backend_of
from tinygan.optim.optimizer import check_range
from tinygan.optim.rule import Numbers, rule, scalar
from tinygan.optim.saved import step_count

if TYPE_CHECKING:
    from tinygan.nn import Module

M = TypeVar("M", bound="Module")


@rule
def average(xp: Any, a: Any, w: Any, step: Any, hyper: Any, *, warmup: bool) -> None:
    """a <- d a + (1 - d) w, with d = decay, or min(decay, (1 + t) / (10 + t)) with `warmup`.

    t is `step`, counted before; `hyper` is (decay,).
    """
    d = hyper[0]
    if warmup:
        t = step.astype(xp.float64)
        d = xp.minimum(d, (1 + t) / (10 + t))
    a += scalar(1 - d, a) * (w - a)


average.kernel("cpu", "tinygan.backend.cpu.updates:average")
average.kernel("cuda", "tinygan.backend.cuda.updates:average")


@rule
def follow(xp: Any, a: Any, w: Any) -> None:
    """a <- w."""
    a[...] = w


follow.kernel("cpu", "tinygan.backend.cpu.updates:follow")
follow.kernel("cuda", "tinygan.backend.cuda.updates:follow")


class EMA(Generic[M]):
    """a <- d a + (1 - d) w for every parameter w, d = `decay`; buffers are copied.

    `module` is the averaged copy, to evaluate with; call `update()` after each optimizer step.
    `warmup` lowers d in the first steps to (1 + t) / (10 + t), so that early weights are
    forgotten. Source: Polyak and Juditsky (1992); for generators Karras et al. (2018), section 3,
    and Yazici et al. (2019).
    """

    def __init__(self, module: M, decay: float = 0.999, warmup: bool = True) -> None:
        check_range("decay", decay, 0, 1)
        self.decay = decay
        self.warmup = warmup
        self.source = module
        self.module: M = copy.deepcopy(module).eval().requires_grad_(False)
        first = next(module.parameters(), None)
        if first is None:
            raise ValueError("EMA: the module has no parameters to average")
        self.step = step_count(first)
        self._numbers = Numbers()
        self._average, self._follow = average.on(warmup=warmup), follow.on()

    def update(self) -> None:
        """Move the average towards the module's present weights."""
        before_replay(self._refresh)
        hyper = self._numbers.on(backend_of(self.step.array), (self.decay,))
        averages, weights = list(self.module.parameters()), list(self.source.parameters())
        arrays = [x.array for x in averages], [x.array for x in weights]
        perform(self._average, *arrays, self.step.array, hyper, changed=[*averages, self.step])
        ours, theirs = list(self.module.buffers()), list(self.source.buffers())
        if ours:
            perform(self._follow, [x.array for x in ours], [x.array for x in theirs], changed=ours)

    def _refresh(self) -> None:
        self._numbers.refresh((self.decay,))

    def state_dict(self) -> dict[str, Tensor]:
        """{"step": t, "module.NAME": average, ...}, sharing memory."""
        state = {f"module.{name}": x for name, x in self.module.state_dict().items()}
        return {"step": wrap(self.step.array, None, self.step.version), **state}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        names = [name for name in state_dict if name.startswith("module.")]
        self.module.load_state_dict({name[len("module.") :]: state_dict[name] for name in names})
        value = state_dict["step"]
        self.step.array[...] = float(value.item())
        self.step.version[0] += 1
