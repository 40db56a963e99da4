"""Pix2pix on digits: a U-Net that fills outlines, judged patch by patch beside the outline.

Run: python examples/09_edges_to_digits.py
     python examples/09_edges_to_digits.py --quick
"""

import argparse

import tinygan
import tinygan.nn.functional as F
from tinygan import optim
from tinygan.data import DataLoader, load, save_image
from tinygan.losses import l1_loss, non_saturating
from tinygan.models import PatchDiscriminator, UNetGenerator
from tinygan.train import gan_step

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer steps")
arguments.add_argument("--data", default="glyphs", help="a data set's name, or a folder of images")
arguments.add_argument("--data-dir", help="where downloaded data sets lie")
arguments.add_argument("--out", default="edges.png", help="the picture to write")
options = arguments.parse_args()

STEPS = 100 if options.quick else 600
WIDTH, LATENT, WEIGHT = 24, 16, 100.0  # of the distance |y - G(z, x)|, as in the paper


def edges(y):
    """What is left of an image when what lies a pixel further inside is taken away."""
    inside = -F.max_pool2d(-y, 3, stride=1, padding=1)
    return (y - inside) - 1


tinygan.manual_seed(0)
data = load(options.data, data_dir=options.data_dir, size=28)
batches = DataLoader(data, batch_size=32, shuffle=True, drop_last=True).forever()
shape = data.shape

G, D = UNetGenerator(shape, shape[0], LATENT, WIDTH), PatchDiscriminator(shape, shape[0], WIDTH)
optimizer_G = optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
optimizer_D = optim.Adam(D.parameters(), lr=5e-4, betas=(0.5, 0.999))


@tinygan.compile
def step(y):
    return gan_step(
        G, D, optimizer_G, optimizer_D, [(y, edges(y))], LATENT, non_saturating,
        reconstruction=lambda real, fake: WEIGHT * l1_loss(fake, real),
    )  # fmt: skip


for count in range(1, STEPS + 1):
    metrics = step(next(batches)[0])
    if count % (STEPS // 10) == 0:
        print(f"step {count:5d}  " + "  ".join(f"{k} {v.item():.3f}" for k, v in metrics.items()))

y = next(batches)[0][:24]
G.eval()
with tinygan.no_grad():
    filled = G(tinygan.randn(24, LATENT), edges(y))
rows = [x[i : i + 8] for i in (0, 8, 16) for x in (edges(y), filled, y)]
save_image(tinygan.cat(rows), options.out, normalize=True, value_range=(-1, 1))
print(f"three times a row of outlines, what G makes of them, and the digits: {options.out}")
