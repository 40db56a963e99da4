"""Two hundred sprites: what a GAN learns from them, with and without augmentation.

With few images the discriminator learns them by heart and tells the generator nothing more.
Augmentation that a gradient goes through (Zhao et al., 2020) shows it each of them in many ways.
Runs with and without it, several seeds each, are judged by the figures of `tinygan evaluate`: a
part of the pictures is for training and the rest is held out. With labels (subfolders) the
features are those of a classifier that is trained on all of the pictures.

Run: python examples/15_little_data.py --data my/sprites --seeds 3 --steps 3000
     python examples/15_little_data.py          (drawn sprites, one seed: two minutes)
     python examples/15_little_data.py --quick  (about half a minute)
"""

import argparse
import json
from pathlib import Path

import numpy as np
from sprites import draw_sprites

from tinygan.backend import host_array
from tinygan.cli.evaluating import sampled
from tinygan.data import Images, load, save_figure, to_uint8
from tinygan.losses import verdict
from tinygan.metrics import figures, reals, train_classifier
from tinygan.train import Config, Training

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer steps")
arguments.add_argument("--data", help="a folder of pictures, an .npz or an .npy [drawn sprites]")
arguments.add_argument("--size", type=int, default=32, help="side of the images: 28, 32 or 64")
arguments.add_argument("--count", type=int, default=200, help="training images")
arguments.add_argument("--seeds", type=int, default=1, help="runs of each kind")
arguments.add_argument("--steps", type=int, help="training steps [1000, --quick 300]")
arguments.add_argument("--width", type=int, default=32, help="channels of the networks")
arguments.add_argument("--policy", default="color,translation,cutout", help="the augmentation")
arguments.add_argument("--out", type=Path, default=Path("little_data"), help="the folder to write")
options = arguments.parse_args()

STEPS = options.steps or (300 if options.quick else 1000)
POLICIES = {"none": "none", "augmented": options.policy}
SHOWN = 64

everything = draw_sprites(1000) if options.data is None else load(options.data, size=options.size)
assert isinstance(everything, Images), "pictures are wanted, not points"
classifier = None if everything.labels is None else train_classifier(everything)


def split(seed: int) -> tuple[Images, Images]:
    """`count` images to train on and the others, by a seed of their own."""
    order = np.random.default_rng(seed).permutation(len(everything))
    labels = everything.labels
    parts = [
        Images(everything.images[part], None if labels is None else labels[part])
        for part in (order[: options.count], order[options.count :])
    ]
    return parts[0], parts[1]


def run(policy: str, seed: int) -> tuple[dict[str, list[float]], np.ndarray]:
    """Train and judge: value and floor of each figure, and samples."""
    training_set, held_out = split(seed)
    config = Config(
        steps=STEPS,
        size=options.size,
        width=options.width,
        batch_size=min(64, options.count),
        augment=policy,
        seed=seed,
        lr_d=2e-4,
        lr_g=2e-4,
        schedule="constant",
        ema=0.999 if STEPS > 2000 else 0.99,
    )
    training = Training(config, training_set, "cpu")
    for _ in range(STEPS):
        training.advance()
    n = min(len(training_set), len(held_out))
    samples = sampled(training.average.module, config.latent, n, seed)
    real = reals(training_set, held_out, n, seed)
    found = {f.name: [f.value, f.floor] for f in figures(samples, real, classifier, seed)}
    believed = [belief(training, data) for data in (training_set, held_out)]
    found["D's mean logit, training less held-out"] = [believed[0] - believed[1], 0.0]
    return found, to_uint8(samples)[:SHOWN]


def belief(training: Training, data: Images) -> float:
    """The mean of D's logits for images as they are, after all of the training."""
    critic = training.discriminator
    while hasattr(critic, "discriminator"):
        critic = critic.discriminator
    count = training.config.batch_size
    logits = [
        verdict(critic(data.batch(np.arange(at, at + count))[0]))
        for at in range(0, len(data) - count + 1, count)
    ]
    return float(np.mean([host_array(y.detach().array) for y in logits]))


results: dict[str, list[dict[str, list[float]]]] = {name: [] for name in POLICIES}
pictures: dict[str, np.ndarray] = {}
for seed in range(options.seeds):
    for name, policy in POLICIES.items():
        found, samples = run(policy, seed)
        results[name].append(found)
        pictures.setdefault(name, samples)
        print(f"seed {seed}, {name}: " + ", ".join(f"{k} {v[0]:.3g}" for k, v in found.items()))


def spread(name: str, figure: str, column: int = 0) -> str:
    """Mean over the seeds, and the standard deviation where there are several."""
    values = [found[figure][column] for found in results[name]]
    error = f" +- {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
    return f"{np.mean(values):.3g}{error}"


names = list(results["none"][0])
lines = [
    f"{options.count} of {len(everything)} images ({everything.name}), {STEPS} steps, "
    f"{options.seeds} seed(s), augmentation {options.policy}",
    "",
    "| figure | no augmentation | augmented | real images |",
    "|---|---|---|---|",
]
for figure in names:
    cells = (spread("none", figure), spread("augmented", figure), spread("none", figure, 1))
    lines.append(f"| {figure} | " + " | ".join(cells) + " |")
options.out.mkdir(parents=True, exist_ok=True)
(options.out / "little_data.md").write_text("\n".join(lines) + "\n")
(options.out / "little_data.json").write_text(json.dumps(results, indent=1) + "\n")
print("\n".join(lines))


def tiles(images: np.ndarray) -> np.ndarray:
    """64 images as one, eight in a row."""
    side = images.shape[1]
    rows = images[:SHOWN].reshape(-1, 8, *images.shape[1:])
    return rows.transpose(0, 2, 1, 3, 4).reshape(len(rows) * side, 8 * side, -1)


def draw() -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=[3, 1.6])
    shown = {"training images": split(0)[0].images, **pictures}
    for column, (title, images) in enumerate(shown.items()):
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(tiles(images), cmap="gray")
        axes.set_title(title if column == 0 else f"samples, {title}" if title != "none" else
                       "samples, no augmentation")  # fmt: skip
        axes.axis("off")
    wanted = ("Frechet distance", "sliced Wasserstein", "coverage", "nearer than held-out",
              "D's mean logit, training less held-out")  # fmt: skip
    drawn = [name for name in wanted if name in names][-4:]
    below = grid[1, :].subgridspec(1, len(drawn))
    for column, name in enumerate(drawn):
        axes = figure.add_subplot(below[column])
        for place, kind in enumerate(POLICIES):
            values = [found[name][0] for found in results[kind]]
            axes.plot([place] * len(values), values, "o", color=f"C{place}", alpha=0.7)
        floor = np.mean([found[name][1] for found in results["none"]])
        axes.axhline(floor, color="gray", linestyle="--", linewidth=1)
        axes.set_xticks(range(len(POLICIES)), list(POLICIES))
        axes.set_xlim(-0.5, len(POLICIES) - 0.5)
        axes.set_title(name, fontsize=9)
    save_figure(figure, options.out / "little_data.png")


draw()
print(f"written: {options.out}/little_data.md, .json and .png")
