"""A conditional GAN draws the digits that are asked for, and a classifier reads them back.

The generator is told the class beside the noise, and the discriminator has a classifier at its side
that both networks want to be right (Odena, Olah and Shlens, 2017). On the command line:
    tinygan train --conditional auxiliary --out runs/digits
    tinygan sample runs/digits --class 7

Run: python examples/12_digits_on_demand.py --digits 20250707   (about a minute)
     python examples/12_digits_on_demand.py --quick             (about half a minute)
"""

import argparse

import numpy as np

import tinygan
from tinygan.data import Images, load, make_grid, save_picture, to_uint8
from tinygan.metrics import classifier_for, classify
from tinygan.train import Config, Training, draw

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer steps")
arguments.add_argument("--digits", default="0123456789", help="the digits to draw, in a row")
arguments.add_argument("--out", default="digits_on_demand.png", help="the picture to write")
options = arguments.parse_args()

STEPS = 400 if options.quick else 1000
ROWS, JUDGED = 6, 100

glyphs = load("glyphs")
config = Config(conditional="auxiliary", steps=STEPS, width=32)
training = Training(config, glyphs, "cpu")
for step in range(1, STEPS + 1):
    measured = training.advance()
    if step % (STEPS // 5) == 0:
        losses = ", ".join(f"{name} {measured[name].item():.2f}" for name in ("d_loss", "g_loss"))
        print(f"step {step:5d}  {losses}")


def digits(label: int, count: int) -> tinygan.Tensor:
    """So many images of one digit, as the averaged generator draws them."""
    return draw(training.average.module, tinygan.randn(count, config.latent), 10, label)


asked = [int(letter) for letter in options.digits]
columns = [digits(label, ROWS) for label in asked]
grid = tinygan.stack(columns, 1).flatten(0, 1)  # a column for each digit asked for
save_picture(to_uint8(make_grid(grid, len(asked), pad_value=-1.0)), options.out)

classifier = classifier_for(glyphs)
right = []
for label in range(10):
    _, seen = classify(classifier, Images(to_uint8(digits(label, JUDGED))))
    right.append(np.mean(seen == label))
print("digits that a classifier reads as what was asked for:")
print("  " + "  ".join(f"{label}: {share:.0%}" for label, share in enumerate(right)))
print(f"  all: {np.mean(right):.1%}; the picture: {options.out}")
