"""WGAN-GP on eight Gaussians: the critic's gradient is penalised, which takes a gradient of it.

The gradient penalty E[(|grad_x D(x)| - 1)^2] holds a derivative of D, and training differentiates
it by D's weights: a second derivative, taken through the recorded first one.

Run: python examples/04_wgan_gp.py          (about a minute)
     python examples/04_wgan_gp.py --quick  (about fifteen seconds)
"""

import argparse

import tinygan
from tinygan import nn, optim
from tinygan.autograd import grad
from tinygan.data import load, save_picture
from tinygan.losses import gradient_penalty, wasserstein
from tinygan.train import picture

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer rounds")
arguments.add_argument("--out", default="wgan_gp.png", help="the picture to write")
options = arguments.parse_args()

ROUNDS = 500 if options.quick else 3000
BATCH, LATENT, CRITIC_STEPS, WEIGHT = 256, 2, 5, 0.1

tinygan.manual_seed(0)
ring = load("ring")
points = tinygan.from_numpy(ring.points)


def network(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, 128),
        nn.ReLU(),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Linear(128, outputs),
    )


G, D = network(LATENT, 2), network(2, 1)
optimizer_G = optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.9))
optimizer_D = optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.9))

for step in range(1, ROUNDS + 1):
    for _ in range(CRITIC_STEPS):
        real = points[tinygan.randint(len(points), (BATCH,))]
        fake = G(tinygan.randn(BATCH, LATENT)).detach()
        gap = -wasserstein.discriminator(D(real), D(fake))  # the critic's gap
        penalty = gradient_penalty(D, real, fake)
        optimizer_D.update(grad(-gap + WEIGHT * penalty, D.parameters(), allow_unused=True))

    loss = wasserstein.generator(D(G(tinygan.randn(BATCH, LATENT))))
    optimizer_G.update(grad(loss, G.parameters()))
    if step % (ROUNDS // 10) == 0:
        print(f"round {step:5d}  gap {gap.item():.4f}  penalty {penalty.item():.4f}")

with tinygan.no_grad():
    samples = G(tinygan.randn(2000, LATENT))
save_picture(picture(samples, reals=ring.points[:2000]), options.out)
near = (samples[:, None] - tinygan.from_numpy(ring.density.modes())).norm(dim=2).amin(1) < 0.1
print(f"{near.float().mean().item():.0%} of the samples are within 0.1 of a mode: {options.out}")
