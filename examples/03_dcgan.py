"""A DCGAN on a data set of your choice, with the parts that tinygan has for it.

Run: python examples/03_dcgan.py --data glyphs
     python examples/03_dcgan.py --quick
"""

import argparse

import tinygan
from tinygan import optim
from tinygan.data import DataLoader, load, save_image
from tinygan.losses import non_saturating
from tinygan.models import DCGANDiscriminator, DCGANGenerator
from tinygan.train import draw, gan_step

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer steps of narrower networks")
arguments.add_argument("--data", default="glyphs", help="a data set's name, or a folder of images")
arguments.add_argument("--data-dir", help="where downloaded data sets lie")
arguments.add_argument("--out", default="dcgan.png", help="the picture to write")
options = arguments.parse_args()

STEPS, WIDTH = (200, 32) if options.quick else (1000, 64)
LATENT = 100

tinygan.manual_seed(0)
data = load(options.data, data_dir=options.data_dir, size=28)
batches = DataLoader(data, batch_size=64, shuffle=True, drop_last=True).forever()
shape = data.shape

G, D = DCGANGenerator(shape, LATENT, WIDTH), DCGANDiscriminator(shape, WIDTH)
optimizer_G = optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
optimizer_D = optim.Adam(D.parameters(), lr=5e-4, betas=(0.5, 0.999))
average = optim.EMA(G, decay=0.99)  # images of averaged weights are steadier

for step in range(1, STEPS + 1):
    real = next(batches)[0]
    metrics = gan_step(G, D, optimizer_G, optimizer_D, [real], LATENT, non_saturating)
    average.update()
    if step % (STEPS // 10) == 0:
        print(f"step {step:5d}  " + "  ".join(f"{k} {v.item():.3f}" for k, v in metrics.items()))

images = draw(average.module, tinygan.randn(64, LATENT))
save_image(images, options.out, normalize=True, value_range=(-1, 1))
print(f"64 new images: {options.out}")
