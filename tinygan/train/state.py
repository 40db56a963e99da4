"""Everything that a training step changes, as one thing that can be saved and restored."""

from __future__ import annotations

import hashlib
from functools import partial
from math import cos, pi
from typing import Any

from tinygan.amp import GradScaler, autocast
from tinygan.autograd import Tensor, compile, no_grad
from tinygan.backend.cuda.precision import NAMED, allow_tf32
from tinygan.backend.dtypes import bfloat16, float16
from tinygan.data import DataLoader
from tinygan.data.resident import resident
from tinygan.distributed import broadcast, world
from tinygan.losses import PENALTIES, verdict
from tinygan.models import InstanceNoise
from tinygan.nn import Module, SyncBatchNorm
from tinygan.ops import (
    Generator,
    arange,
    default_generator,
    full_like,
    get_rng_state,
    isfinite,
    manual_seed,
    randint,
    randn,
    remainder,
    set_rng_state,
    tensor,
    where,
)
from tinygan.optim import EMA, Adam, Optimizer
from tinygan.optim.lr_scheduler import LambdaLR
from tinygan.train.config import Config
from tinygan.train.diagnostics import Diagnostics, Looked, Watch
from tinygan.train.figures import judges_of
from tinygan.train.networks import count_classes, make_game, make_networks
from tinygan.train.step import gan_step

SAMPLES = 64  # how many images of the fixed noise are drawn while training


class Training:
    """G, D, their optimizers, the average of G's weights, the data order, the random state.

    Where several processes train together each has the same of all of these, and of every batch
    and every draw of random numbers a part of its own.
    """

    def __init__(
        self, config: Config, dataset: Any, device: str, classifier: Module | None = None
    ) -> None:
        """A `classifier` (N, C, H, W) -> (N, K) of the data counts the classes that G draws."""
        self.config = config
        self.device = device
        self.step = 0
        allow_tf32(NAMED.get(config.precision, False))
        # streams of their own for weights, training and fixed noise: the weights are drawn on the
        # host, and what is drawn while training must not depend on where they were
        weights, training, noise = (3 * config.seed + stream for stream in range(3))
        manual_seed(weights)
        shape = dataset.shape
        self.classes = count_classes(config, dataset)
        self.generator, self.discriminator = make_networks(config, shape, self.classes)
        ranks = world()
        for network in (self.generator, self.discriminator):
            network.to(device)
            if config.sync_batch_norm:
                SyncBatchNorm.convert_sync_batchnorm(network)
            for x in network.state_dict().values():
                broadcast(x)
        betas = (config.beta1, config.beta2)
        self.generator_optimizer = Adam(self.generator.parameters(), config.lr_g, betas)
        self.discriminator_optimizer = Adam(self.discriminator.parameters(), config.lr_d, betas)
        self.schedulers = [
            LambdaLR(optimizer, partial(scheduled, config))
            for optimizer in (self.generator_optimizer, self.discriminator_optimizer)
        ]
        if config.clip:
            keep = partial(keep_within, config.clip)
            self.discriminator_optimizer.register_step_post_hook(keep)
        self.average = EMA(self.generator, config.ema)
        scaled = config.precision == "float16"
        self.scalers = (GradScaler(device, enabled=scaled), GradScaler(device, enabled=scaled))
        self.rounding = autocast(
            device,
            bfloat16 if config.precision == "bfloat16" else float16,
            config.precision not in NAMED,
        )
        self.game = make_game(config, device)
        self.penalty_weight = tensor(config.penalty_weight, device=device)
        self.penalty = None
        if config.penalty != "none":
            penalty = PENALTIES[config.penalty]
            weight = self.penalty_weight
            self.penalty = lambda critic, real, fake: (
                weight * penalty(lambda x: verdict(critic(x)), real, fake)
            )
        self.diagnostics = Diagnostics(
            self.generator,
            self.discriminator,
            self.game,
            judges_of(dataset, classifier, device),
            device,
        )
        self.dataset = dataset
        self.loader = DataLoader(
            resident(dataset, device),
            config.batch_size,
            shuffle=True,
            drop_last=True,
            generator=Generator().manual_seed(config.seed),
            device=device,
            shard=(ranks.rank, ranks.size),
        )
        self.batches = self.loader.forever()
        self._record()
        fixed = Generator(device=device).manual_seed(noise)
        self.fixed_noise = randn(SAMPLES, config.latent, generator=fixed, device=device)
        manual_seed(training)
        default_generator(device).share = (ranks.rank, ranks.size)

    def advance(self) -> dict[str, Any]:
        """One step of the game on the next batches; what happened, as tensors.

        Every so many steps it is looked at: what was seen is there as "diagnostics", a `Looked`.
        """
        self._follow_schedules()
        batches = [next(self.batches) for _ in range(self.config.n_critic)]
        columns = zip(*batches, strict=True)
        samples = next(columns)
        labels = next(columns) if self.classes and self.config.conditional != "codes" else ()
        every = self.config.diagnostics_every
        metrics: dict[str, Any]
        if every and (self.step + 1) % every == 0:
            seen, values = self._watched(*samples, *labels)
            metrics = {**seen, "diagnostics": Looked(self.diagnostics.names, values)}
        else:
            metrics = self._round(*samples, *labels)
        for scheduler in self.schedulers:
            scheduler.step()
        self.step += 1
        return metrics

    def _record(self) -> None:
        """Begin the records of a round, and of one that is looked at, anew."""
        self._round = compile(self._play)
        self._watched = compile(self._play_watched)

    def _follow_schedules(self) -> None:
        """Set the numbers that change from step to step, beside the learning rates.

        They are in arrays, so that a recorded step reads them.
        """
        config, progress = self.config, min(self.step / self.config.steps, 1.0)
        if config.beta2_end:
            beta2 = cosine(config.beta2, config.beta2_end, progress)
            for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
                for group in optimizer.param_groups:
                    group["betas"] = (config.beta1, beta2)
        with no_grad():
            if config.penalty_end != 1:
                first = config.penalty_weight
                self.penalty_weight.fill_(cosine(first, config.penalty_end * first, progress))
            if isinstance(self.discriminator, InstanceNoise):
                self.discriminator.spread.fill_(config.instance_noise * (1 - progress))

    def _play_watched(self, *tensors: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """A round, and what there was to see in it."""
        with self.diagnostics.watch() as watch:
            return self._play(*tensors, watch=watch), watch.finish()

    def _play(self, *tensors: Tensor, watch: Watch | None = None) -> dict[str, Tensor]:
        """What `advance` records and replays: of all batches the samples, then the labels."""
        count = self.config.n_critic
        columns = [tensors[:count], tensors[count:]] if len(tensors) > count else [tensors]
        if self.config.conditional == "codes":
            drawn = [randint(self.classes, (len(x),), device=x.device) for x in tensors]
            columns.append(tuple(drawn))
        with self.rounding:
            metrics = gan_step(
                self.generator,
                self.discriminator,
                self.generator_optimizer,
                self.discriminator_optimizer,
                zip(*columns, strict=True),
                self.config.latent,
                self.game,
                watch.weighed(self.penalty, count) if watch and self.penalty else self.penalty,
                self.config.unroll,
                scalers=self.scalers,
                watch=watch,
            )
        self.average.update()
        with no_grad():
            for player, scaler in zip("dg", self.scalers, strict=True):
                if scaler.is_enabled():  # there is a norm only where there was an update
                    norm = metrics[f"{player}_grad_norm"]
                    metrics[f"{player}_grad_norm"] = where(isfinite(norm), norm, 0.0)
                    metrics[f"{player}_scale"] = scaler.current.clone()
        return metrics

    def draw(self, noise: Tensor) -> Tensor:
        """What the averaged generator makes of noise, of the classes in turn if there are any."""
        return draw(self.average.module, noise, self.classes)

    def parts(self) -> dict[str, Any]:
        """The parts that have a state_dict, by name."""
        parts = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            "generator_schedule": self.schedulers[0],
            "discriminator_schedule": self.schedulers[1],
            "average": self.average,
            "loader": self.loader,
        }
        if self.config.diagnostics_every:
            parts["diagnostics"] = self.diagnostics
        if self.scalers[0].is_enabled():
            parts["discriminator_scaler"], parts["generator_scaler"] = self.scalers
        return {**parts, "game": self.game} if self.game.state_dict() else parts

    def state_dict(self) -> dict[str, Any]:
        state = {name: part.state_dict() for name, part in self.parts().items()}
        return {**state, "random": get_rng_state(self.device), "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self.parts().items():
            if name != "diagnostics" or name in state:  # a run may have begun without
                part.load_state_dict(state[name])
        self.batches = self.loader.forever()
        self._record()  # on the memory of the loaded state
        set_rng_state(state["random"], self.device)
        self.step = int(state["step"])

    def fingerprint(self) -> str:
        """sha256 over the weights of both networks: equal runs have equal fingerprints."""
        digest = hashlib.sha256()
        for network in (self.generator, self.discriminator):
            for x in network.state_dict().values():
                digest.update(x.cpu().numpy().tobytes())
        return digest.hexdigest()


def draw(
    generator: Module, noise: Tensor, classes: int = 0, label: int | Tensor | None = None
) -> Tensor:
    """generator(noise) in evaluation mode, without recording; of one class, or 0, 1, ... in turn.

    `classes` is how many the generator is told of, 0 if none. A `label` may also be one for each.
    """
    labels = []
    if isinstance(label, Tensor):
        labels.append(label.to(noise.device))
    elif classes:
        turn = remainder(arange(len(noise), device=noise.device), classes)
        labels.append(turn if label is None else full_like(turn, label))
    mode = generator.training
    generator.eval()
    with no_grad():
        images: Tensor = generator(noise, *labels)
    generator.train(mode)
    return images


@no_grad()
def keep_within(bound: float, optimizer: Optimizer, *_: Any) -> None:
    """w <- min(max(w, -bound), bound) for every weight, after an update.

    Arjovsky, Chintala and Bottou, "Wasserstein GAN", 2017, algorithm 1, with bound 0.01.
    """
    for group in optimizer.param_groups:
        for w in group["params"]:
            w.clamp_(-bound, bound)


def scheduled(config: Config, step: int) -> float:
    """The factor of the learning rates at a step, 1 at the start."""
    progress = min(step / config.steps, 1.0)
    if config.schedule == "linear":
        return 1.0 - progress * (1 - config.lr_end)
    return cosine(1.0, config.lr_end, progress) if config.schedule == "cosine" else 1.0


def cosine(first: float, last: float, progress: float) -> float:
    """last + (first - last) (1 + cos(pi p)) / 2, p = `progress` from 0 to 1."""
    return last + (first - last) * 0.5 * (1 + cos(pi * progress))
