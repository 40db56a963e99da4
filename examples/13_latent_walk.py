"""Sprites that turn into one another: a walk through the noise of a trained generator.

Between two points of noise the walk follows a great circle, z(t) = cos(t) a + sin(t) b: a straight
line would pass through shorter vectors than the generator has ever seen. On the command line:
    tinygan train --data my/sprites --size 32 --out runs/sprites
    tinygan sample runs/sprites --interpolate walk.gif

Run: python examples/13_latent_walk.py          (about a minute)
     python examples/13_latent_walk.py --quick  (about twenty seconds)
"""

import argparse

import numpy as np
from sprites import SIDE, draw_sprites

from tinygan.cli.sampling import walk
from tinygan.data import save_gif, save_picture
from tinygan.ops import Generator
from tinygan.train import Config, Training, picture

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer steps")
arguments.add_argument("--out", default="latent_walk.gif", help="the animation to write")
options = arguments.parse_args()

STEPS = 250 if options.quick else 1500
LARGER = 3  # pixels on the screen for one of a sprite

training = Training(Config(steps=STEPS, size=SIDE, width=32, latent=32), draw_sprites(5000), "cpu")
for step in range(1, STEPS + 1):
    measured = training.advance()
    if step % (STEPS // 5) == 0:
        losses = ", ".join(f"{name} {measured[name].item():.2f}" for name in ("d_loss", "g_loss"))
        print(f"step {step:5d}  {losses}")

frames = []
for noise in walk(32, Generator().manual_seed(1)):
    small = picture(training.draw(noise), columns=4)
    frames.append(small.repeat(LARGER, 0).repeat(LARGER, 1))
save_gif(frames, options.out, duration=60)
still = options.out.removesuffix(".gif") + ".png"
save_picture(np.concatenate(frames[:: len(frames) // 6]), still)

steps = np.abs(np.diff(np.stack(frames).astype(float), axis=0)).mean((1, 2, 3))
ends = np.abs(frames[0].astype(float) - frames[len(frames) // 2]).mean()
print(
    f"{len(frames)} frames: one differs from the next by {np.mean(steps):.1f} grey levels on "
    f"average, {np.max(steps):.1f} at most; opposite ends of the walk by {ends:.1f}"
)
print(f"the walk: {options.out}, stills of it: {still}")
