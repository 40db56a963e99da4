"""compile, and the steps of training and of evaluation, each one recorded program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import tinygan
from tinygan.autograd import Tensor, grad, no_grad
from tinygan.backend import Device
from tinygan.keras import feed, optimizers
from tinygan.keras.compiled import Objective
from tinygan.keras.layer import Layer
from tinygan.keras.symbolic import flat

Step = Callable[..., Any]


class Stepper(Layer):
    """A layer that can be compiled, and then trained and tested on single batches."""

    optimizer: optimizers.Optimizer | None = None
    objective: Objective | None = None
    stop_training = False

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        jit_compile: bool | str = "auto",
    ) -> None:
        """Set how it is trained; which layers are trainable is taken down as it is now.

        A step is recorded and replayed unless `run_eagerly`, or `jit_compile` is False.
        """
        self.optimizer = optimizers.get(optimizer)
        self.objective = Objective(loss, loss_weights, metrics, weighted_metrics)
        self.compile_config = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "jit_compile": jit_compile,
        }
        recorded = not run_eagerly and jit_compile is not False
        self._recorded: Callable[[Step], Step] = tinygan.compile if recorded else lambda f: f
        self._frozen = {layer: layer.trainable for layer in self._every_layer()}
        self._batch_steps: dict[str, Step] = {}

    @property
    def compiled(self) -> bool:
        return self.objective is not None

    def _compiled_parts(self) -> tuple[Objective, optimizers.Optimizer]:
        if self.objective is None or self.optimizer is None:
            raise ValueError(f"{self.name!r}: call compile() before it is trained or evaluated")
        return self.objective, self.optimizer

    def _every_layer(self) -> list[Layer]:
        found: list[Layer] = [self]
        for layer in found:  # which grows
            found += [inner for inner in layer.sublayers() if inner not in found]
        return found

    @contextmanager
    def _as_compiled(self) -> Iterator[None]:
        """Layers are trainable as they were when compile() was called."""
        now = {layer: layer.trainable for layer in self._every_layer()}
        try:
            for layer in now:
                layer._trainable = self._frozen.get(layer, layer.trainable)
            yield
        finally:
            for layer, value in now.items():
                layer._trainable = value

    # -- steps --------------------------------------------------------------------------------

    def _outputs(self, x: Any, training: bool) -> tuple[Any, list[Tensor]]:
        y = self(x, training=training)
        return y, flat(y)

    def _targets(self, y: Any, outputs: list[Tensor]) -> list[Any]:
        names = self.output_names(len(outputs))
        targets = [y[name] for name in names] if isinstance(y, dict) else flat(y)
        if len(targets) != len(outputs):
            raise ValueError(
                f"{self.name!r} has {len(outputs)} outputs {names}, got {len(targets)} targets"
            )
        return targets

    def output_names(self, count: int) -> list[str]:
        """The names of the outputs, for losses, metrics and targets by name."""
        return [f"output_{i}" for i in range(count)] if count > 1 else ["output"]

    def _ready(self, x: Any, y: Any) -> None:
        """Build what the first data decide: weights, losses, metrics and the optimizer's state."""
        objective, optimizer = self._compiled_parts()
        if not (objective.built and optimizer.inner is not None and self.built):
            with no_grad():
                _, outputs = self._outputs(x, False)
            if not objective.built:
                targets = self._targets(y, outputs)
                objective.build(self.output_names(len(outputs)), targets, outputs)
            if optimizer.inner is None:
                with self._as_compiled():
                    parameters = [w.tensor for w in self.trainable_weights]
                if parameters:
                    optimizer.build(parameters)

    def _train(self, x: Any, y: Any, weight: Any) -> None:
        """Forward, loss, gradients, update; the metrics are added up."""
        objective, optimizer = self._compiled_parts()
        with self._as_compiled():
            _, outputs = self._outputs(x, True)
        targets = self._targets(y, outputs)
        loss = self._loss(objective, targets, outputs, weight)
        if optimizer.inner is not None:
            optimizer.update(grad(loss, optimizer.learned, allow_unused=True))
        objective.note(loss, targets, outputs, weight)

    @no_grad()
    def _test(self, x: Any, y: Any, weight: Any) -> None:
        objective, _ = self._compiled_parts()
        _, outputs = self._outputs(x, False)
        targets = self._targets(y, outputs)
        loss = self._loss(objective, targets, outputs, weight)
        objective.note(loss, targets, outputs, weight)

    def _loss(self, objective: Objective, ys: Any, outputs: Any, weight: Any) -> Tensor:
        """What compile() named, and what the weights cost."""
        loss = objective.value(ys, outputs, weight)
        for cost in self.losses:
            loss = loss + cost
        return loss

    def _apply(self, fn: Callable[[Tensor], Tensor]) -> Self:
        self._every_layer()  # those in lists too
        self._batch_steps = {}  # they were recorded on the memory where the weights were
        return super()._apply(fn)

    def _begin_step(self) -> None:
        _, optimizer = self._compiled_parts()
        if optimizer.inner is not None:
            optimizer.begin_step()

    def _device(self) -> Device:
        weights = self.weights
        return weights[0].tensor.device if weights else Device("cpu")

    # -- one batch ----------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch; its loss and metrics."""
        if class_weight is not None:
            sample_weight = feed.weighted_by_class(y, class_weight, sample_weight)
        return self._on_batch("train", x, y, sample_weight, return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """The loss and metrics on one batch."""
        return self._on_batch("test", x, y, sample_weight, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as arrays on the host."""
        with no_grad():
            return feed.joined([self(feed.as_tensors(x, self._device()), training=False)])

    def _on_batch(self, kind: str, x: Any, y: Any, weight: Any, return_dict: bool) -> Any:
        objective, _ = self._compiled_parts()
        x, y, weight = (feed.as_tensors(part, self._device()) for part in (x, y, weight))
        self._ready(x, y)
        objective.reset()
        if kind not in self._batch_steps:
            work = self._train if kind == "train" else self._test
            self._batch_steps[kind] = self._recorded(work)
        if kind == "train":
            self._begin_step()
        self._batch_steps[kind](x, y, weight)
        found = objective.results()
        if return_dict:
            return found
        values = list(found.values())
        return values[0] if len(values) == 1 else values
