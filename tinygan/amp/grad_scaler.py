"""GradScaler: losses scaled up, gradients scaled back, updates skipped where they overflowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tinygan.amp.scaling import adapt, unscale
from tinygan.autograd import Tensor, before_replay, perform, wrap
from tinygan.backend import Device, backend_of
from tinygan.ops import tensor, zeros
from tinygan.optim import Optimizer
from tinygan.optim.rule import Numbers

SLOTS = 32  # optimizers between two calls of update()


class GradScaler:
    """loss -> scale loss, so that gradients too small for float16 are not rounded to zero.

    The gradients are divided by the scale before an update. Where one of them is infinite or not a
    number the update is skipped, on the device, and the scale is multiplied by `backoff_factor`;
    after `growth_interval` updates in a row it is multiplied by `growth_factor`. Nothing is read
    back, and all that changes is in arrays: a recorded step adapts the scale too. Source:
    Micikevicius et al., "Mixed precision training", 2018, section 3.2.

        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    A scaler that is not `enabled` does nothing to losses and gradients.
    """

    def __init__(
        self,
        device: str | Device = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if growth_factor <= 1:
            raise ValueError(f"GradScaler: growth_factor is {growth_factor}, expected more than 1")
        if not 0 < backoff_factor < 1:
            raise ValueError(
                f"GradScaler: backoff_factor is {backoff_factor}, expected between 0 and 1"
            )
        self._enabled = enabled
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        if not enabled:
            return
        self._scale = tensor(float(init_scale), dtype="float32", device=device)
        self._tracker, self._found = zeros((), device=device), zeros(SLOTS, device=device)
        self._numbers = Numbers()
        self._unscaled: dict[Optimizer, Tensor] = {}  # what was found since update()
        self._stepped: set[Optimizer] = set()
        self._results: dict[Optimizer, list[Tensor]] = {}  # of apply(), in memory that stays

    # -- one step -----------------------------------------------------------------------------

    def scale(self, outputs: Any) -> Any:
        """scale x, of a tensor or of all tensors in lists and tuples."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, Iterable):
            return type(outputs)(map(self.scale, outputs))  # type: ignore[call-arg]
        raise ValueError(f"scale: expected Tensors, got {type(outputs).__name__}")

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the .grad of an optimizer's parameters by the scale, before they are clipped, say.

        `step` does it by itself where it was not done.
        """
        if not self._enabled:
            return
        if optimizer in self._stepped:
            raise RuntimeError("unscale_() is being called after step().")
        if optimizer in self._unscaled:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        parameters = {id(p): p for group in optimizer.param_groups for p in group["params"]}
        gradients = [p.grad for p in parameters.values() if p.grad is not None]
        self._unscale(optimizer, gradients, gradients)

    def step(self, optimizer: Optimizer) -> None:
        """optimizer.step() with the unscaled gradients, if all of them are finite."""
        if not self._enabled:
            optimizer.step()
            return
        if optimizer in self._stepped:
            raise RuntimeError("step() has already been called since the last update().")
        if optimizer not in self._unscaled:
            self.unscale_(optimizer)
        optimizer.found_inf = found = self._unscaled[optimizer]
        try:
            # who has a rule asks for what was found, a step written by hand waits for the answer
            if hasattr(optimizer, "rule") or not found.item():
                optimizer.step()
        finally:
            optimizer.found_inf = None
        self._stepped.add(optimizer)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adapt the scale to what was found since the last call, or set it."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale.detach().fill_(new_scale)
            perform(_forget, self._found.array, changed=[self._found])
        elif not self._unscaled:
            raise RuntimeError("update(): no optimizer has taken a step since the last update()")
        else:
            before_replay(self._refresh)
            numbers = self._numbers.on(backend_of(self._scale.array), self._factors())
            changed = [self._scale, self._tracker, self._found]
            perform(adapt, *[x.array for x in changed], numbers, changed=changed)
        self._unscaled, self._stepped = {}, set()

    def apply(
        self, optimizer: Optimizer, gradients: Sequence[Tensor | None]
    ) -> tuple[Tensor | None, ...]:
        """optimizer.update with gradients of a scaled loss, if all are finite; adapt the scale.

        What `unscale_`, `step` and `update` do, for gradients that `grad` returned. Returns them
        divided by the scale, in memory that the next call for this optimizer uses again.
        """
        if not self._enabled:
            optimizer.update(gradients)
            return tuple(gradients)
        given = [g for g in gradients if g is not None]
        results = self._results.get(optimizer)
        if results is None or [x.shape for x in results] != [g.shape for g in given]:
            xp = backend_of(self._scale.array).xp
            results = self._results[optimizer] = [wrap(xp.empty_like(g.array)) for g in given]
        self._unscale(optimizer, given, results)
        remaining = iter(results)
        unscaled = tuple(None if g is None else next(remaining) for g in gradients)
        optimizer.found_inf = self._unscaled[optimizer]
        try:
            optimizer.update(unscaled)
        finally:
            optimizer.found_inf = None
        self.update()
        return unscaled

    def _unscale(
        self, optimizer: Optimizer, gradients: Sequence[Tensor], results: Sequence[Tensor]
    ) -> None:
        if len(self._unscaled) == SLOTS:
            raise RuntimeError(f"more than {SLOTS} optimizers since the last update()")
        slot = len(self._unscaled)
        found = self._unscaled[optimizer] = self._found[slot : slot + 1]
        for kind in dict.fromkeys(g.dtype for g in gradients):
            pairs = [(g, y) for g, y in zip(gradients, results, strict=True) if g.dtype == kind]
            given, made = ([x.array for x in column] for column in zip(*pairs, strict=True))
            changed = [y for _, y in pairs]
            perform(unscale, found.array, self._scale.array, given, made, changed=changed)

    # -- what it is set to --------------------------------------------------------------------

    def _factors(self) -> tuple[float, float, float]:
        return self._growth_factor, self._backoff_factor, float(self._growth_interval)

    def _refresh(self) -> None:
        self._numbers.refresh(self._factors())

    @property
    def current(self) -> Tensor:
        """The scale as a tensor on the device."""
        return self._scale.detach()

    def get_scale(self) -> float:
        """The scale, read back from the device; 1 if disabled."""
        return float(self._scale.item()) if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        return self._enabled

    # -- saving -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The scale, its factors, and how many updates in a row were finite; {} if disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": int(self._tracker.item()),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, here or in PyTorch."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._scale.detach().fill_(state_dict["scale"])
        self._tracker.fill_(state_dict["_growth_tracker"])


def _forget(found: Any) -> None:
    found[...] = 0
