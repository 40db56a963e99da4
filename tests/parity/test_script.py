"""A DCGAN script as people write it for PyTorch, run on both by exchanging its imports."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

SCRIPT = """
import {library} as torch
import {library}.nn as nn
import {library}.nn.functional as F
import {library}.optim as optim

batch_size, image_size, channels, latent, width = 6, 16, 3, 10, 4
real_label, fake_label = 1.0, 0.0
device = torch.device("cpu")
torch.manual_seed(999)


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        m.weight.data.normal_(1.0, 0.02)
        m.bias.data.fill_(0)


class Generator(nn.Module):
    def __init__(self):
        super(Generator, self).__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(latent, width * 2, 4, 1, 0, bias=False),
            nn.BatchNorm2d(width * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(width * 2, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(True),
            nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, input):
        return self.main(input)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, width * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width * 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width * 2, 1, 4, 1, 0, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, input):
        return self.main(input)


netG = Generator().to(device)
netG.apply(weights_init)
netD = Discriminator().to(device)
netD.apply(weights_init)
if start is not None:
    netG.load_state_dict(start[0])
    netD.load_state_dict(start[1])
initial = [{{k: v.clone() for k, v in net.state_dict().items()}} for net in (netG, netD)]

criterion = nn.BCELoss()
optimizerD = optim.Adam(netD.parameters(), lr=0.0002, betas=(0.5, 0.999))
optimizerG = optim.Adam(netG.parameters(), lr=0.0002, betas=(0.5, 0.999))

log = []
for i, (data, noise) in enumerate(batches):
    netD.zero_grad()
    real_cpu = torch.from_numpy(data).to(device)
    b_size = real_cpu.size(0)
    label = torch.full((b_size,), real_label, dtype=torch.float, device=device)
    output = netD(real_cpu).view(-1)
    errD_real = criterion(output, label)
    errD_real.backward()
    D_x = output.mean().item()

    noise = torch.from_numpy(noise)
    fake = netG(noise)
    label.fill_(fake_label)
    output = netD(fake.detach()).view(-1)
    errD_fake = criterion(output, label)
    errD_fake.backward()
    D_G_z1 = output.mean().item()
    errD = errD_real + errD_fake
    optimizerD.step()

    netG.zero_grad()
    label.fill_(real_label)
    output = netD(fake).view(-1)
    errG = criterion(output, label)
    errG.backward()
    D_G_z2 = output.mean().item()
    optimizerG.step()
    log.append([errD.item(), errG.item(), D_x, D_G_z1, D_G_z2])

with torch.no_grad():
    sample = netG(torch.from_numpy(batches[0][1])).detach().cpu().numpy()
"""


def run(library: str, batches: Any, start: Any) -> Any:
    module = types.ModuleType("script")
    module.__dict__.update(batches=batches, start=start)
    exec(compile(SCRIPT.format(library=library), "script.py", "exec"), module.__dict__)
    return module


def test_a_dcgan_script_needs_only_other_imports() -> None:
    random = np.random.default_rng(0)
    batches = [
        (
            random.uniform(-1, 1, (6, 3, 16, 16)).astype(np.float32),
            random.standard_normal((6, 10, 1, 1)).astype(np.float32),
        )
        for _ in range(3)
    ]
    reference = run("torch", batches, None)
    ours = run("tinygan", batches, reference.initial)
    np.testing.assert_allclose(ours.log, reference.log, rtol=1e-5)
    assert len(ours.log) == 3
    for net in ("netG", "netD"):
        mine, yours = getattr(ours, net).state_dict(), getattr(reference, net).state_dict()
        assert list(mine) == list(yours)
        for name, value in yours.items():
            np.testing.assert_allclose(
                mine[name].numpy(), value.numpy(), rtol=1e-4, atol=2e-6, err_msg=name
            )
    np.testing.assert_allclose(ours.sample, reference.sample, rtol=1e-3, atol=1e-4)
    weight = run("tinygan", batches[:1], None).initial[0]["main.0.weight"]  # its own weights_init
    assert 0.015 < float(weight.std()) < 0.025
