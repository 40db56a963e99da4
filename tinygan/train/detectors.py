"""Detectors of failing training: they read the records of a run, one step after the other.

A detector is a function of the stream that `metrics.jsonl` holds, so it says the same of a run that
goes on and of one that is over. It speaks when its sign has lasted, and again only after it was
gone. Some signs are in every record, others only where a step was looked at: without
`diagnostics_every` not all failures can be told.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from tinygan.train.config import Config

Record = dict[str, Any]

LASTING, GONE = 0.9, 0.5  # shares of a detector's span in which its sign is there


class Event(NamedTuple):
    """What a detector found: at which step, since when, and what to do, in a sentence."""

    detector: str
    step: int
    since: int
    says: str


class Detector:
    """Speaks when `sign` held for nine tenths of the last `SPAN` steps, or looks in them.

    It is silent then until the sign holds for less than half of them.
    """

    name: str
    SPAN: int

    def __init__(self) -> None:
        self.rows: deque[tuple[int, bool]] = deque()
        self.count = 0
        self.shown: Record = {}
        self.full = self.spoke = False

    def sign(self, record: Record) -> bool | None:
        """Whether this record shows the failure; None if it cannot tell."""
        raise NotImplementedError

    def says(self, record: Record, since: int) -> str:
        """What has happened and what to do, from the last record that showed it."""
        raise NotImplementedError

    def update(self, record: Record) -> Event | None:
        """What it says of the next step."""
        shown = self.sign(record)
        if shown is None:
            return None
        if shown:
            self.shown = record
        rows, step = self.rows, record["step"]
        rows.append((step, shown))
        self.count += shown
        while rows[0][0] <= step - self.SPAN:
            self.count -= rows.popleft()[1]
            self.full = True
        share = self.count / len(rows)
        if self.spoke:
            self.spoke = share >= GONE
        elif self.full and share >= LASTING:
            self.spoke = True
            since = next(t for t, shown in rows if shown)
            return Event(self.name, step, since, self.says(self.shown, since))
        return None


class DiscriminatorWon(Detector):
    """E|dL_D/dD(x)| < 0.01 and E|dL_D/dD(G(z))| < 0.01, for 100 steps.

    D is so sure of every sample that it learns nothing more, and nor does a generator whose game
    saturates. In the first games the slopes are 1 - D(x) and D(G(z)), in every record; in others
    they are those of the looks. `wasserstein` and `boundary_equilibrium` know no such state.
    Source: Arjovsky and Bottou, "Towards Principled Methods for Training GANs", 2017, section 2.
    """

    name = "discriminator_won"
    SPAN, BOUND = 100, 0.01

    def __init__(self, direct: bool) -> None:
        """`direct`: the slopes are 1 - D(x) and D(G(z))."""
        super().__init__()
        self.direct = direct

    def sign(self, record: Record) -> bool | None:
        if self.direct:
            return bool(1 - record["d_real"] < self.BOUND > record["d_fake"])
        slopes = [record.get("diagnostics", {}).get(f"d_{side}_slope") for side in ("real", "fake")]
        return None if None in slopes else max(slopes) < self.BOUND

    def says(self, record: Record, since: int) -> str:
        what = f"D(x) > {1 - self.BOUND}, D(G(z)) < {self.BOUND}"
        if not self.direct:
            what = f"the slopes of its loss are below {self.BOUND}"
        return (
            f"D has won since step {since}: {what}. Try --game non_saturating if it is minimax, "
            "--penalty r1, --instance-noise 0.1, or a lower --lr-d."
        )


class Collapse(Detector):
    """spread < 0.2, or fewer than half of the modes or classes, in the looks of 500 steps.

    Modes (the nearest of each sample) and classes are counted beside what as many real samples
    show, where they are known.
    """

    name = "collapse"
    SPAN, SPREAD, SHARE = 500, 0.2, 0.5

    def sign(self, record: Record) -> bool | None:
        look = record.get("diagnostics")
        if look is None or look["spread"] is None:
            return None
        return look["spread"] < self.SPREAD or self._kinds(look)[1] < self.SHARE

    def _kinds(self, look: Record) -> tuple[str, float]:
        if "modes_near" in look:
            return "modes", look["modes_near"] / look["modes_real"]
        if "classes" in look:
            return "classes", look["classes"] / look["classes_real"]
        return "", 1.0

    def says(self, record: Record, since: int) -> str:
        look = record["diagnostics"]
        kinds, share = self._kinds(look)
        what = f"vary {look['spread']:.0%} as much as real ones"
        if share < self.SHARE:
            what = f"show {share:.0%} of the {kinds} that real ones do"
        return (
            f"G has collapsed since step {since}: its samples {what}. Try --packing 2, "
            "--minibatch-std, --game relativistic with --penalty r1, or a larger --width or "
            "--latent."
        )


class Divergence(Detector):
    """The norm of a network's gradient is above 100, for 50 steps.

    Source: Chintala et al., "How to train a GAN? Tips and tricks", 2016, point 10.
    """

    name = "divergence"
    SPAN, BOUND = 50, 100.0

    def sign(self, record: Record) -> bool | None:
        return bool(max(record["d_grad_norm"], record["g_grad_norm"]) > self.BOUND)

    def says(self, record: Record, since: int) -> str:
        network = max("dg", key=lambda name: record[f"{name}_grad_norm"])
        return (
            f"{network.upper()} diverges since step {since}: the norm of its gradient is "
            f"{record[f'{network}_grad_norm']:.3g}. Try a lower --lr-{network}, --penalty r1 or "
            "gradient_penalty, or --clip 0.01."
        )


class Jump(Detector):
    """A layer's largest singular value is more than 4 times what it was a look, of 50 steps, ago.

    The weights have been thrown far off, though losses and gradients may calm down again. Looks
    that are more than 100 steps apart are not compared.
    """

    name = "jump"
    SPAN, GROWTH, APART = 1, 4.0, 100

    def __init__(self) -> None:
        super().__init__()
        self.full = True  # its span is one comparison, and the first of all is one
        self.before: dict[str, float] = {}
        self.looked = -self.APART

    def sign(self, record: Record) -> bool | None:
        if "diagnostics" not in record:
            return None
        now = {
            layer: figures["singular_value"]
            for layer, figures in record["diagnostics"].get("layers", {}).items()
            if figures.get("singular_value") is not None
        }
        before, since = self.before, self.looked
        self.before, self.looked = now, record["step"]
        growth = {n: now[n] / before[n] for n in now if before.get(n)}
        if record["step"] - since > self.APART or not growth:
            return None
        self.layer = max(growth, key=lambda name: growth[name])
        self.growth = growth[self.layer]
        return self.growth > self.GROWTH

    def says(self, record: Record, since: int) -> str:
        return (
            f"the weights of {self.layer} jumped up to step {since}: their largest singular value "
            f"is {self.growth:.3g} times that of the look before. Try a lower "
            f"--lr-{self.layer[0].lower()} or --penalty r1."
        )


class Oscillation(Detector):
    """G's loss comes in waves: its autocorrelation falls and rises again, by 0.8 and more.

    Every 100 steps x is G's loss over the last 1000, in means of 5 and less its straight line. The
    sign is that `wave` of x is above 0.4, and the standard deviation of x above a tenth of the
    losses' sizes, |median of G's| + |median of D's|. Both hold at three times in a row.
    """

    name = "oscillation"
    SPAN, WINDOW, EVERY, JOINED, HEIGHT, SWING = 300, 1000, 100, 5, 0.4, 0.1

    def __init__(self) -> None:
        super().__init__()
        self.losses: deque[tuple[float, float]] = deque(maxlen=self.WINDOW)
        self.period = 0

    def sign(self, record: Record) -> bool | None:
        self.losses.append((record["g_loss"], record["d_loss"]))
        if record["step"] % self.EVERY or len(self.losses) < self.WINDOW:
            return None
        losses = np.array(self.losses)
        x = losses[:, 0].reshape(-1, self.JOINED).mean(1)
        height, period = wave(x)
        swing = detrended(x).std() / np.abs(np.median(losses, axis=0)).sum()
        if height <= self.HEIGHT or not swing > self.SWING:
            return False
        self.period = period * self.JOINED
        return True

    def says(self, record: Record, since: int) -> str:
        return (
            f"the game oscillates since step {since}: G's loss comes back every {self.period} "
            "steps. Try --penalty r1, --beta1 0 or 0.5, or lower learning rates."
        )


def detrended(x: np.ndarray) -> np.ndarray:
    """x less its straight line of least squares."""
    t = np.arange(len(x)) - (len(x) - 1) / 2
    y: np.ndarray = x - x.mean() - t * ((t @ x) / (t @ t))
    return y


def wave(x: np.ndarray) -> tuple[float, int]:
    """(r's maximum behind its first zero - r's minimum before that) / 2, and the lag between them.

    r is the autocorrelation of detrended x, at lags up to a third of x: 1 of a sine, and near 0 of
    noise. The lag is the first where r is nine tenths as high as at its maximum, for a wave comes
    back after all multiples of its period. (0, 0) where r has no zero.
    """
    y = detrended(x)
    power = np.abs(np.fft.rfft(y, 2 * len(y))) ** 2
    lags = np.arange(len(y) // 3 + 1)
    r = np.fft.irfft(power)[lags] / (len(y) - lags)
    below = np.flatnonzero(r < 0)
    if r[0] <= 1e-12 * np.square(x).mean() or not len(below):
        return 0.0, 0
    behind = r[below[0] :] / r[0]
    top = int(behind.argmax())
    low = behind[: top + 1].min()
    return float(behind[top] - low) / 2, int(below[0] + (behind >= 0.9 * behind[top]).argmax())


DETECTORS = [d.name for d in (DiscriminatorWon, Collapse, Oscillation, Divergence, Jump)]


class Detectors:
    """All detectors, for the game and by the wishes of a configuration."""

    def __init__(self, config: Config) -> None:
        direct = config.game in ("minimax", "non_saturating") and not config.label_smoothing
        self.detectors = [DiscriminatorWon(direct), Collapse(), Oscillation(), Divergence(), Jump()]
        self.stop_on = DETECTORS if config.stop_on == "any" else config.stop_on.split(",")
        self.ask_to_stop = False

    def update(self, record: Record) -> list[Event]:
        """What they say of the next step."""
        events = [event for d in self.detectors if (event := d.update(record)) is not None]
        if any(event.detector in self.stop_on for event in events):
            self.ask_to_stop = True
        return events
