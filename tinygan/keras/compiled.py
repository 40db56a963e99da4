"""What compile() sets: losses and metrics for every output, and the optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygan.autograd import Tensor
from tinygan.keras import losses, metrics
from tinygan.keras.losses import Loss
from tinygan.keras.metrics import Mean, Metric
from tinygan.keras.symbolic import flat


class Objective:
    """The total loss sum_i w_i L_i(y_i, y^_i) of a model's outputs, and the metrics beside it.

    `loss` is one for all outputs, a list in their order or a dict by their names; the weights and
    the metrics likewise.
    """

    def __init__(self, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any) -> None:
        self.given = loss, loss_weights, metrics, weighted_metrics
        self.losses: list[Loss | None] = []
        self.weights: list[float] = []
        self.metrics: list[list[tuple[Metric, bool]]] = []
        self.names: list[str] = []
        self.built = False
        self.total = Mean("loss")
        self.of_outputs: dict[int, Mean] = {}

    def build(self, names: Sequence[str], ys: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        """Choose what compile() named, now that the targets and outputs are there."""
        loss, weights, metrics_given, weighted = self.given
        self.names = list(names)
        self.losses = [
            None if one is None else chosen_loss(one, y, p)
            for one, y, p in zip(_by_output("loss", loss, names), ys, outputs, strict=True)
        ]
        found = _by_output("loss_weights", weights, names)
        self.weights = [1.0 if w is None else float(w) for w in found]
        self.metrics = [[] for _ in names]
        for given, uses_weight in ((metrics_given, False), (weighted, True)):
            for i, wanted in enumerate(_metrics_by_output(given, names)):
                self.metrics[i] += [
                    (metrics.get(m, ys[i], outputs[i]), uses_weight) for m in wanted
                ]
        if sum(one is not None for one in self.losses) > 1:
            pairs = zip(names, self.losses, strict=True)
            self.of_outputs = {
                i: Mean(f"{name}_loss") for i, (name, one) in enumerate(pairs) if one is not None
            }
        self.built = True

    def value(self, ys: Sequence[Any], outputs: Sequence[Tensor], weights: Any) -> Tensor:
        """The total loss of a batch; the losses of the outputs are added to their means."""
        by_output = weights if isinstance(weights, (list, tuple)) else [weights] * len(outputs)
        total: Any = None
        for i, loss in enumerate(self.losses):
            if loss is None:
                continue
            value = loss(ys[i], outputs[i], by_output[i])
            if self.of_outputs:
                self._add(self.of_outputs[i], value, len(outputs[i]))
            if self.weights[i] != 1.0:
                value = value * self.weights[i]
            total = value if total is None else total + value
        if total is None:
            raise ValueError("this model has no loss: compile(loss=...) gives it one")
        result: Tensor = total
        return result

    def note(self, loss: Tensor, ys: Sequence[Any], outputs: Sequence[Tensor], w: Any) -> None:
        """Add a batch to the mean loss and to the metrics."""
        self._add(self.total, loss, len(outputs[0]))
        by_output = w if isinstance(w, (list, tuple)) else [w] * len(outputs)
        for y, output, chosen, weight in zip(ys, outputs, self.metrics, by_output, strict=True):
            for metric, uses_weight in chosen:
                metric.update_state(y, output, weight if uses_weight else None)

    def _add(self, mean: Mean, value: Tensor, count: int) -> None:
        mean.add([value.detach() * count, float(count)], value)

    @property
    def every(self) -> list[Metric]:
        own = [metric for chosen in self.metrics for metric, _ in chosen]
        return [self.total, *self.of_outputs.values(), *own]

    def reset(self) -> None:
        for metric in self.every:
            metric.reset_state()

    def results(self) -> dict[str, float]:
        """Name -> mean over the batches since the last reset."""
        logs = {"loss": self.total.result()}
        logs |= {mean.name: mean.result() for mean in self.of_outputs.values()}
        for name, chosen in zip(self.names, self.metrics, strict=True):
            for metric, _ in chosen:
                prefix = f"{name}_" if len(self.names) > 1 else ""
                logs[prefix + metric.name] = metric.result()
        return logs


def chosen_loss(identifier: Any, y_true: Tensor, y_pred: Tensor) -> Loss:
    """The loss of a name; "crossentropy" is the one for these targets and outputs."""
    if identifier in ("crossentropy", "ce"):
        identifier = "categorical_crossentropy"
        if y_pred.shape[-1] == 1:
            identifier = "binary_crossentropy"
        elif y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
            identifier = "sparse_categorical_crossentropy"
    return losses.get(identifier)


def _by_output(what: str, given: Any, names: Sequence[str]) -> list[Any]:
    """One for every output."""
    if isinstance(given, dict) and "class_name" not in given:
        wrong = sorted(set(given) - set(names))
        if wrong:
            raise ValueError(f"{what}: there are no outputs {wrong}, only {list(names)}")
        return [given.get(name) for name in names]
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise ValueError(f"{what}: got {len(given)} for the {len(names)} outputs {names}")
        return list(given)
    return [given] * len(names)


def _metrics_by_output(given: Any, names: Sequence[str]) -> list[list[Any]]:
    if not given:
        return [[] for _ in names]
    if len(names) == 1:
        return [flat(given)]
    if not isinstance(given, dict) and not (
        isinstance(given, (list, tuple)) and len(given) == len(names)
    ):
        raise ValueError(
            f"metrics: a model with the outputs {list(names)} takes a list of metrics for each, or "
            f"a dict by their names, got {given!r}"
        )
    found = _by_output("metrics", given, names)
    return [[] if m is None else flat(m) for m in found]
