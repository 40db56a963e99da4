"""What a run is: every choice that a training run depends on, checked as it comes in."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict, dataclass, fields
from math import inf
from pathlib import Path
from typing import Any

from tinygan.backend.cuda.precision import NAMED
from tinygan.backend.errors import UserError, unknown
from tinygan.backend.rounding import PRECISIONS
from tinygan.baselines import BASELINES
from tinygan.losses import GAMES, PENALTIES, smoothed
from tinygan.models import CONDITIONAL, MODELS
from tinygan.models.augment import AUGMENTATIONS
from tinygan.nn import MinibatchStd
from tinygan.train.detectors import DETECTORS

SCHEDULES = ("constant", "linear", "cosine")
NORMALIZED = ("auto", "yes", "no")
GROUP = MinibatchStd().group_size


@dataclass(frozen=True)
class Config:
    """The choices of a training run; the defaults draw digits in half a minute.

    Adam's betas are those of DCGAN (Radford et al. 2016, section 4); its learning rate of 2e-4 for
    both networks is meant for longer runs, these start higher and fall to zero. `penalty` is
    weighed by `penalty_weight`; `clip`, unless 0, keeps every weight of the discriminator between
    -clip and clip; `normalize` says whether the discriminator of a DCGAN has batch
    normalisation (auto: unless there is a penalty or the game is wasserstein). Of several
    processes that train together each has a batch of `batch_size`, and `sync_batch_norm` takes the
    moments of batch normalisation over all of them. A `precision` of float16 or bfloat16 rounds the
    factors of matrix products and convolutions to that on every device, and with float16 the losses
    are scaled; tf32 and tf32x3 are for GPUs, as `allow_tf32` says.

    `conditional` tells both networks the class of a sample (concatenation, projection, or
    auxiliary: D has a classifier at its side, whose loss is weighed by `class_weight`), or has them
    find `codes` classes of their own (codes). `packing` lets the discriminator judge so many
    samples together, `minibatch_std` shows it how varied a batch is, `augment` names what is done
    to the samples it sees (color, translation, cutout, with commas between them), `instance_noise`
    is the spread of noise on them, which falls to zero, and `label_smoothing` s sets 1 - s as its
    target for real samples.

    Every `diagnostics_every` steps, unless 0, a step is looked at: logits, layers, units, modes.
    The run stops when a detector named in `stop_on` speaks (any: whichever).

    With `unroll` k the generator plays against the discriminator as it would be k updates later.

    `mark` puts the invisible mark into the pictures of samples.

    The learning rates go from 1 to `lr_end` of what they are set to, as `schedule` says. In a
    cosine, `beta2` goes to `beta2_end`, unless that is 0, and the penalty's weight to
    `penalty_end` times what it was.
    """

    data: str = "glyphs"
    data_dir: str | None = None
    model: str = "dcgan"
    game: str = "non_saturating"
    penalty: str = "none"
    penalty_weight: float = 10.0
    clip: float = 0.0
    conditional: str = "none"
    class_weight: float = 1.0
    codes: int = 10
    packing: int = 1
    minibatch_std: bool = False
    augment: str = "none"
    instance_noise: float = 0.0
    label_smoothing: float = 0.0
    steps: int = 1000
    batch_size: int = 64
    n_critic: int = 1
    unroll: int = 0
    size: int = 28
    width: int = 48
    latent: int = 100
    normalize: str = "auto"
    sync_batch_norm: bool = False
    lr_g: float = 1e-3
    lr_d: float = 5e-4
    beta1: float = 0.5
    beta2: float = 0.999
    schedule: str = "linear"
    lr_end: float = 0.0
    beta2_end: float = 0.0
    penalty_end: float = 1.0
    ema: float = 0.99
    seed: int = 0
    device: str = "auto"
    precision: str = "float32"
    checkpoint_every: int = 250
    sample_every: int = 50
    mark: bool = False
    diagnostics_every: int = 50
    stop_on: str = "none"

    def __post_init__(self) -> None:
        for name, known in (
            ("model", [*MODELS, *BASELINES]),
            ("game", GAMES),
            ("penalty", [*PENALTIES, "none"]),
            ("conditional", [*CONDITIONAL, "none"]),
            ("schedule", SCHEDULES),
            ("normalize", NORMALIZED),
            ("precision", (*NAMED, *PRECISIONS)),
        ):
            if getattr(self, name) not in known:
                raise UserError(unknown(name, getattr(self, name), known))
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise UserError(unknown("device", self.device, ("auto", "cpu", "cuda", "cuda:1")))
        for name in ("steps", "batch_size", "n_critic", "size", "width", "latent",
                     "packing", "codes", "checkpoint_every", "sample_every"):  # fmt: skip
            if not 1 <= getattr(self, name) < 2**31:
                raise UserError(
                    f"{name} must be at least 1 and below 2**31, got {getattr(self, name)}"
                )
        for name in ("unroll", "diagnostics_every"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.stop_on not in ("none", "any"):
            for name in self.stop_on.split(","):
                if name not in DETECTORS:
                    raise UserError(unknown("stop_on", name, [*DETECTORS, "any", "none"]))
        for name in ("lr_g", "lr_d"):
            if not 0 < getattr(self, name) < inf:
                raise UserError(f"{name} must be a positive number, got {getattr(self, name)}")
        if not 0 <= self.clip < inf:
            raise UserError(f"clip must be a positive number, or 0 for none, got {self.clip}")
        for name in ("penalty_weight", "class_weight", "instance_noise", "lr_end", "penalty_end"):
            if not 0 <= getattr(self, name) < inf:
                raise UserError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.batch_size % self.packing:
            fitting = max(self.batch_size - self.batch_size % self.packing, self.packing)
            raise UserError(
                f"packing {self.packing} does not divide the batch size {self.batch_size}; "
                f"{fitting} would fit"
            )
        seen = self.batch_size // self.packing
        if self.minibatch_std and seen % min(GROUP, seen):
            raise UserError(
                f"minibatch_std looks at groups of {GROUP}, which do not divide the {seen} that D "
                f"sees at once; a batch size of {self.packing * (seen - seen % GROUP)} would fit"
            )
        if self.conditional != "none":
            unfit = f"conditional {self.conditional} does not go with"
            if self.packing != 1:
                raise UserError(f"{unfit} packing {self.packing}, as a pack is of many classes")
            if self.game == "boundary_equilibrium":
                raise UserError(
                    f"{unfit} game {self.game}, whose D gives no logits; choose another"
                )
        if self.augment != "none":
            for name in self.augment.split(","):
                if name.strip() not in AUGMENTATIONS:
                    raise UserError(unknown("augment", name.strip(), AUGMENTATIONS))
        if self.label_smoothing:
            smoothed(GAMES[self.game], self.label_smoothing)
        for name in ("beta1", "beta2", "beta2_end", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name} must be in [0, 1), got {getattr(self, name)}")

    @property
    def normalizes(self) -> bool:
        """Whether the discriminator has batch normalisation."""
        if self.normalize == "auto":
            return self.penalty == "none" and self.game != "wasserstein"
        return self.normalize == "yes"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def config_from(values: dict[str, Any], source: str) -> Config:
    """A Config from names and values, as they stand in a TOML or JSON file."""
    types = {field.name: type(field.default) for field in fields(Config)}
    types["data_dir"] = str
    checked: dict[str, Any] = {}
    values = dict(values)
    # a switch of its own in earlier runs, where float16 and bfloat16 came first
    if values.pop("tf32", False) and values.get("precision", "float32") == "float32":
        values["precision"] = "tf32"
    for name, value in values.items():
        key = name.replace("-", "_")
        if key not in types:
            raise UserError(f"{source}: " + unknown("key", name, types))
        if value is None and key == "data_dir":
            continue
        wanted = types[key]
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise UserError(
                f"{source}: {name} must be {wanted.__name__}, got {type(value).__name__} {value!r}"
            )
        checked[key] = value
    return Config(**checked)


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a TOML configuration file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML: {error}") from error
