"""GAN scripts as people write them for PyTorch, run on both by exchanging their imports."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from against_torch import assert_same_run, run_script

DCGAN = """
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


WGAN_GP = """
import {library} as torch
from {library} import autograd, nn, optim
import {library}.nn.functional as F

latent, gp_weight = 5, 10.0


class ResidualBlock(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.block = nn.Sequential(
            nn.InstanceNorm2d(n, affine=True),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(n, n, kernel_size=3),
        )

    def forward(self, x):
        return x + self.block(x)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(latent, 8 * 4 * 4)
        self.blocks = nn.ModuleList([ResidualBlock(8) for _ in range(2)])
        self.conv = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, z):
        x = F.leaky_relu(self.fc(z), 0.2).view(-1, 8, 4, 4)
        for block in self.blocks:
            x = block(x)
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        return torch.tanh(self.conv(x))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.utils.spectral_norm(nn.Conv2d(1, 6, 4, stride=2, padding=1))
        self.norm = nn.LayerNorm([6, 4, 4])
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.fc = nn.Linear(8 * 2 * 2, 1)

    def forward(self, x):
        x = F.leaky_relu(self.norm(self.conv1(x)), 0.2, inplace=True)
        x = F.avg_pool2d(F.silu(self.conv2(x)), 2)
        return self.fc(torch.flatten(x, 1))


def gradient_penalty(critic, real, fake, alpha):
    interpolates = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    d_interpolates = critic(interpolates)
    gradients = autograd.grad(
        outputs=d_interpolates,
        inputs=interpolates,
        grad_outputs=torch.ones_like(d_interpolates),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    gradients = gradients.reshape(gradients.size(0), -1)
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


netG, netD = Generator(), Critic()
if start is not None:
    netG.load_state_dict(start[0])
    netD.load_state_dict(start[1])
initial = [{{k: v.clone() for k, v in net.state_dict().items()}} for net in (netG, netD)]
optimizerD = optim.RMSprop(netD.parameters(), lr=1e-3)
optimizerG = optim.AdamW(
    [{{"params": netG.fc.parameters(), "lr": 2e-3}}, {{"params": list(netG.parameters())[2:]}}],
    lr=1e-3, betas=(0.0, 0.9),
)
scheduler = optim.lr_scheduler.StepLR(optimizerG, step_size=2, gamma=0.5)

log = []
for real, noise, alpha in batches:
    real, noise, alpha = (torch.tensor(x) for x in (real, noise, alpha))
    for p in netD.parameters():
        p.requires_grad = True
    optimizerD.zero_grad()
    fake = netG(noise).detach()
    loss_real, loss_fake = netD(real).mean(), netD(fake).mean()
    gp = gradient_penalty(netD, real.data, fake.data, alpha)
    loss_d = loss_fake - loss_real + gp_weight * gp
    loss_d.backward()
    norm = nn.utils.clip_grad_norm_(netD.parameters(), 5.0)
    optimizerD.step()

    for p in netD.parameters():
        p.requires_grad = False
    optimizerG.zero_grad()
    loss_g = -netD(netG(noise)).mean()
    loss_g.backward()
    optimizerG.step()
    scheduler.step()
    log.append([loss_d.item(), loss_g.item(), gp.item(), norm.item(), scheduler.get_last_lr()[0]])

netG.eval()
with torch.no_grad():
    sample = netG(torch.tensor(batches[0][1])).numpy()
"""


CLASSES = """
import itertools

import numpy as np
import {library} as torch
import {library}.nn as nn
from {library}.autograd import Variable, grad

latent, classes, width = 6, 3, 8
Tensor, LongTensor = torch.DoubleTensor, torch.LongTensor


def one_hot(numbers):
    rows = torch.FloatTensor(len(numbers), classes).fill_(0)
    return rows.scatter_(1, torch.from_numpy(numbers).unsqueeze(1), 1.0).type(Tensor)


class Generator(nn.Module):
    def __init__(self):
        super(Generator, self).__init__()
        self.label = nn.Embedding(classes, latent)
        self.start = nn.Sequential(nn.Linear(latent + classes, width * 2 * 2, bias=False))
        self.images = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, width, 3, stride=1, padding=1, bias=False),
            nn.BatchNorm2d(width, 0.8),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, 1, 3, stride=1, padding=1),
            nn.Tanh(),
        )

    def forward(self, z, labels, code):
        out = self.start(torch.cat((torch.mul(self.label(labels), z), code), -1))
        return self.images(out.view(out.shape[0], width, 2, 2))


class Discriminator(nn.Module):
    def __init__(self):
        super(Discriminator, self).__init__()

        def block(inside, outside, norm=True):
            layers = [nn.Conv2d(inside, outside, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
            return layers + [nn.BatchNorm2d(outside, 0.8)] * norm

        self.model = nn.Sequential(*block(1, width, norm=False), *block(width, width))
        self.real = nn.Sequential(nn.Linear(width * 2 * 2, 1), nn.Sigmoid())
        self.label = nn.Sequential(nn.Linear(width * 2 * 2, classes), nn.LogSoftmax(dim=1))

    def forward(self, images):
        out = self.model(images)
        out = out.view(out.size(0), -1)
        return self.real(out), self.label(out)


netG, netD = Generator().double(), Discriminator().double()
if start is not None:
    netG.load_state_dict(start[0])
    netD.load_state_dict(start[1])
initial = [{{k: v.clone() for k, v in net.state_dict().items()}} for net in (netG, netD)]
adversarial, auxiliary = nn.BCELoss(), nn.NLLLoss()
optimizer_G = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
optimizer_D = torch.optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.999))
optimizer_label = torch.optim.Adam(
    itertools.chain(netG.parameters(), netD.label.parameters()), lr=1e-3
)

log = []
for images, labels, noise in batches:
    n = images.shape[0]
    valid = Variable(Tensor(n, 1).fill_(1.0), requires_grad=False)
    fake = Variable(Tensor(n, 1).fill_(0.0), requires_grad=False)
    real_images = Variable(torch.from_numpy(images).type(Tensor), requires_grad=True)
    z = Variable(Tensor(noise))
    wanted = Variable(LongTensor(labels[::-1].copy()))

    generated = netG(z, wanted, one_hot(labels))
    score, told = netD(generated)
    g_loss = (adversarial(score, valid) + auxiliary(told, wanted)) / 2
    real_score, real_told = netD(real_images)
    fake_score, _ = netD(generated.detach())
    slope = grad(real_score, real_images, valid, create_graph=True, only_inputs=True)[0]
    penalty = slope.view(n, -1).pow(2).sum(1) ** (6 / 2)
    d_loss = adversarial(real_score, valid) + adversarial(fake_score, fake) + penalty.mean()
    optimizer_G.zero_grad()
    optimizer_D.zero_grad()
    g_loss.backward(retain_graph=True, inputs=list(netG.parameters()))
    d_loss.backward(inputs=list(netD.parameters())[:-2])
    optimizer_G.step()
    optimizer_D.step()

    optimizer_label.zero_grad()
    leaf = Variable(netG(z, wanted, one_hot(labels)), requires_grad=True)
    label_loss = auxiliary(netD(leaf)[1], wanted)
    label_loss.backward()
    optimizer_label.step()
    for p in netD.parameters():
        p.data.clamp_(-0.4, 0.4)
    right = np.mean(np.argmax(told.data.cpu().numpy(), axis=1) == wanted.data.cpu().numpy())
    log.append([g_loss.item(), d_loss.item(), label_loss.item(), leaf.grad.norm().item(), right])

netG.eval()
with torch.no_grad():
    sample = netG(z, wanted, one_hot(labels)).data.cpu().numpy()
"""


def test_dcgan() -> None:
    random = np.random.default_rng(0)
    batches = [
        (
            random.uniform(-1, 1, (6, 3, 16, 16)).astype(np.float32),
            random.standard_normal((6, 10, 1, 1)).astype(np.float32),
        )
        for _ in range(3)
    ]
    assert_same_run(DCGAN, batches)
    weight = run_script(DCGAN, "tinygan", batches[:1], None).initial[0]["main.0.weight"]
    assert 0.015 < float(weight.std()) < 0.025  # of its own weights_init


def test_classes_and_habits_of_before_2018() -> None:
    random = np.random.default_rng(0)
    batches = [
        (
            random.uniform(-1, 1, (4, 1, 8, 8)).astype(np.float32),
            random.integers(0, 3, 4),
            random.standard_normal((4, 6)),
        )
        for _ in range(3)
    ]
    assert_same_run(CLASSES, batches)


def test_wgan_gp() -> None:
    random = np.random.default_rng(0)
    batches = [
        tuple(
            random.uniform(-1, 1, shape).astype(np.float32)
            for shape in ((4, 1, 8, 8), (4, 5), (4, 1, 1, 1))
        )
        for _ in range(3)
    ]
    assert_same_run(WGAN_GP, batches)
