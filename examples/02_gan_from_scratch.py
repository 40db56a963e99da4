"""A GAN in one file: generator, discriminator, loss, optimizer, training loop, new images.

Run: python examples/02_gan_from_scratch.py          (about a minute)
     python examples/02_gan_from_scratch.py --quick  (a few seconds, rough images)
"""

import argparse

import tinygan
from tinygan import nn, optim
from tinygan.data import DataLoader, load, save_image
from tinygan.nn import functional as F

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer rounds")
arguments.add_argument("--out", default="gan_from_scratch.png", help="the picture to write")
options = arguments.parse_args()

ROUNDS = 300 if options.quick else 3000
BATCH = 64
LATENT = 64

tinygan.manual_seed(0)


def generator() -> nn.Module:
    """Noise (N, 64) to images (N, 784) in (-1, 1)."""
    return nn.Sequential(
        nn.Linear(LATENT, 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 512),
        nn.BatchNorm1d(512),
        nn.LeakyReLU(0.2),
        nn.Linear(512, 784),
        nn.Tanh(),
    )


def discriminator() -> nn.Module:
    """Images (N, 784) to logits (N, 1): positive means "I believe this one is real"."""
    return nn.Sequential(
        nn.Linear(784, 512),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Linear(512, 256),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Linear(256, 1),
    )


def loss(logits: tinygan.Tensor, real: bool) -> tinygan.Tensor:
    """-E[log D] if the images are to be called real, -E[log(1 - D)] if not; D = sigmoid(logit)."""
    return F.softplus(-logits).mean() if real else F.softplus(logits).mean()


def optimizer(network: nn.Module) -> optim.Optimizer:
    return optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))


G, D = generator(), discriminator()
optimizer_G, optimizer_D = optimizer(G), optimizer(D)
images = DataLoader(load("glyphs"), batch_size=BATCH, shuffle=True, drop_last=True).forever()

for step in range(1, ROUNDS + 1):
    real = next(images)[0].flatten(1)

    # D learns to tell real images from generated ones
    fake = G(tinygan.randn(BATCH, LATENT)).detach()
    loss_D = loss(D(real), real=True) + loss(D(fake), real=False)
    optimizer_D.zero_grad()
    loss_D.backward()
    optimizer_D.step()

    # G learns to draw what D calls real
    loss_G = loss(D(G(tinygan.randn(BATCH, LATENT))), real=True)
    optimizer_G.zero_grad()
    loss_G.backward()
    optimizer_G.step()

    if step % (ROUNDS // 10) == 0:
        print(f"round {step:5d}  loss of D {loss_D.item():.3f}  loss of G {loss_G.item():.3f}")

G.eval()
with tinygan.no_grad():
    new = G(tinygan.randn(64, LATENT)).view(64, 1, 28, 28)
save_image(new, options.out, normalize=True, value_range=(-1, 1))
print(f"64 new images: {options.out}")
