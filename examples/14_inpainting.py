"""Missing parts of new digits, filled by a search for what a trained generator can draw.

Yeh et al. (2017): min over z of sum W |G(z) - y| + weight * (G's own loss), then Poisson blending.
Beside it the smoothest filling, which knows the border and nothing of digits. On the command line:
    tinygan train --out runs/glyphs
    tinygan inpaint runs/glyphs digit.png --mask 8,8,12,12 --sheet fills.png

Run: python examples/14_inpainting.py          (about a minute)
     python examples/14_inpainting.py --quick  (about twenty seconds)
"""

import argparse

import numpy as np

from tinygan.data import held_out, load, save_picture, to_uint8
from tinygan.data.dataset import to_float
from tinygan.train import Config, Training
from tinygan.train.inpainting import completed, fill, harmonic

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer steps")
arguments.add_argument("--out", default="inpainting.png", help="the picture to write")
options = arguments.parse_args()

STEPS = 300 if options.quick else 1000
DIGITS = 8

config = Config(steps=STEPS, width=32)
training = Training(config, load("glyphs"), "cpu")
for step in range(1, STEPS + 1):
    measured = training.advance()
    if step % (STEPS // 5) == 0:
        losses = ", ".join(f"{name} {measured[name].item():.2f}" for name in ("d_loss", "g_loss"))
        print(f"step {step:5d}  {losses}")

new = held_out("glyphs")
images = to_float(new.images[:DIGITS]).transpose(0, 3, 1, 2)
missing = np.zeros((28, 28), bool)
missing[9:19, 9:19] = True


def error(x: np.ndarray, y: np.ndarray) -> float:
    """Root mean square over the hole, in grey levels."""
    return 127.5 * float(np.sqrt(np.mean((x - y)[:, missing] ** 2)))


columns, searched, smooth, pasted = [], [], [], []
for image in images:
    best = fill(
        training.average.module,
        training.discriminator,
        training.game,
        image,
        missing,
        config.latent,
    )[0]
    smoothest = completed(image, harmonic(image, missing), missing, blend=False)
    known = np.where(missing, 0.0, image)
    columns.append(np.concatenate([known, smoothest, best.drawn, best.filled, image], axis=1))
    searched.append(error(best.filled, image))
    smooth.append(error(smoothest, image))
    pasted.append(error(best.drawn, image))
sheet = to_uint8(np.concatenate(columns, axis=2))
save_picture(sheet.repeat(2, 0).repeat(2, 1), options.out)
print(f"error in the hole of {DIGITS} new digits, root mean square in grey levels of 255:")
print(f"  the smoothest filling  {np.mean(smooth):.1f}")
print(f"  G(z) as it is          {np.mean(pasted):.1f}")
print(f"  G(z), blended          {np.mean(searched):.1f}")
print(f"known, smoothest, G(z), blended, as it was, from top to bottom: {options.out}")
