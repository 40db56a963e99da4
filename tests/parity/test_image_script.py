"""A script that translates images, with the habits of such scripts, run on both libraries."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import assert_same_run  # noqa: E402

import tinygan  # noqa: E402

TRANSLATION = """
import functools
import itertools
import warnings

import numpy as np
import {library} as torch
import {library}.nn as nn
import {library}.nn.functional as F
from {library}.autograd import Variable
from {library}.nn import init
from {library}.optim import lr_scheduler

warnings.simplefilter("ignore")
torch.set_default_dtype(torch.float64)
Tensor, width, style = torch.Tensor, 4, 3


class AdaptiveNorm(nn.Module):
    def __init__(self, features):
        super(AdaptiveNorm, self).__init__()
        self.weight = self.bias = None  # set from the style before each use
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x):
        n, c, h, w = x.size()
        mean, var = self.running_mean.repeat(n), self.running_var.repeat(n)
        flat = x.contiguous().view(1, n * c, h, w)
        out = F.batch_norm(flat, mean, var, self.weight, self.bias, True, 0.1, 1e-5)
        return out.view(n, c, h, w)


class LayerNorm(nn.Module):
    def __init__(self, features):
        super(LayerNorm, self).__init__()
        self.gamma = nn.Parameter(torch.Tensor(features).uniform_())
        self.beta = nn.Parameter(torch.zeros(features))

    def forward(self, x):
        shape = [-1] + [1] * (x.dim() - 1)
        flat = x.view(x.size(0), -1)
        x = (x - flat.mean(1).view(*shape)) / (flat.std(1).view(*shape) + 1e-5)
        return x * self.gamma.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


class Residual(nn.Module):
    def __init__(self, features, norm):
        super(Residual, self).__init__()
        use_bias = norm.func == nn.InstanceNorm2d if type(norm) == functools.partial else True
        pad, conv = nn.ReflectionPad2d(1), nn.Conv2d(features, features, 3, bias=use_bias)
        self.block = nn.Sequential(*[pad, conv, norm(features), nn.ReLU(True)])

    def forward(self, x):
        return x + self.block(x)


class Translator(nn.Module):
    def __init__(self, shared):
        super(Translator, self).__init__()
        norm = functools.partial(nn.InstanceNorm2d, affine=False, track_running_stats=True)
        self.down = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width, affine=True),
            nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(width, width, 4, 2, 1),
            Residual(width, norm),
        )
        self.shared = shared
        self.adaptive = Residual(width, AdaptiveNorm)
        self.style = nn.Sequential(nn.Linear(style, 8), nn.PReLU(), nn.Linear(8, 2 * width))
        self.up = nn.Sequential(
            nn.Conv2d(width, 4 * width, 3, 1, 1), nn.PixelShuffle(2), LayerNorm(width),
            nn.ReLU(inplace=True), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            nn.Conv2d(width, 3, 4, 2, 1), nn.Tanh(),
        )

    def forward(self, x, code):
        numbers = self.style(code)
        for m in self.modules():
            if m.__class__.__name__ == "AdaptiveNorm":
                m.bias = numbers[:, :width].contiguous().view(-1)
                m.weight = numbers[:, width:].contiguous().view(-1)
        return self.up(self.adaptive(self.shared(self.down(x))))


class Critics(nn.Module):
    def __init__(self):
        super(Critics, self).__init__()
        self.models = nn.ModuleList()
        for i in range(2):
            layers = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.BatchNorm2d(width, 0.8)]
            layers += [nn.LeakyReLU(0.2), nn.ZeroPad2d((1, 0, 1, 0))]
            layers += [nn.Conv2d(width, 1, 4, padding=1)]
            self.models.add_module("critic_%d" % i, nn.Sequential(*layers))
        self.downsample = nn.AvgPool2d(3, stride=2, padding=[1, 1], count_include_pad=False)

    def loss(self, x, truth):
        return sum([torch.mean((out - truth) ** 2) for out in self.forward(x)])

    def forward(self, x):
        outputs = []
        for m in self.models:
            outputs.append(m(x))
            x = self.downsample(x)
        return outputs


def initialize(m):
    classname = m.__class__.__name__
    if hasattr(m, "weight") and (classname.find("Conv") != -1 or classname.find("Linear") != -1):
        init.xavier_normal_(m.weight.data, gain=0.5)
        if hasattr(m, "bias") and m.bias is not None:
            init.constant_(m.bias.data, 0.0)
    elif classname.find("BatchNorm2d") != -1:
        init.normal_(m.weight.data, 1.0, 0.02)


class ReplayBuffer:
    def __init__(self):
        self.data = []

    def push_and_pop(self, data):
        to_return = []
        for element in data.data:
            element = torch.unsqueeze(element.data, 0)
            self.data.append(element)
            to_return.append(self.data[len(self.data) // 2].clone())
        return Variable(torch.cat(to_return))


def denormalize(tensors):
    for c in range(3):
        tensors[:, c].mul_(0.2 + 0.1 * c).add_(0.5)
    tensors[:, :, 0] *= 0.5
    return torch.clamp(tensors, 0, 255)


shared = Residual(width, functools.partial(nn.BatchNorm2d, affine=True))
netG = nn.ModuleDict(dict(AB=Translator(shared), BA=Translator(shared)))
netD = nn.DataParallel(Critics())
netG.apply(initialize)
netD.apply(initialize)
if start is not None:
    netG.load_state_dict(start[0])
    netD.load_state_dict(start[1])
initial = [{{k: v.clone() for k, v in net.state_dict().items()}} for net in (netG, netD)]
criterion = torch.nn.L1Loss(size_average=True)
parameters = itertools.chain(netG["AB"].parameters(), netG["BA"].parameters())  # shared ones twice
optimizer_G = torch.optim.Adam(parameters, lr=1e-3, betas=(0.5, 0.999))
optimizer_D = torch.optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.999))
schedules = [
    lr_scheduler.ReduceLROnPlateau(optimizer_G, mode="min", factor=0.2, threshold=0.01, patience=0),
    lr_scheduler.LambdaLR(optimizer_D, lr_lambda=lambda epoch: 1.0 - max(0, epoch - 1) / 3),
]
buffer, log = ReplayBuffer(), []
for a, b, code in batches:
    real_A, real_B = (Variable(torch.from_numpy(x).type(Tensor)) for x in (a, b))
    code = Variable(Tensor(code))
    optimizer_G.zero_grad()
    fake_B, fake_A = netG["AB"](real_A, code), netG["BA"](real_B, code)
    cycle = criterion(netG["BA"](fake_B, code), real_A)
    small = F.interpolate(fake_B, scale_factor=0.5, mode="bicubic", align_corners=False)
    shown = denormalize(torch.cat((fake_A, fake_B), -1)).mean()
    loss_G = netD.module.loss(fake_B, 1) + 10 * cycle + small.pow(2).mean() + shown
    loss_G.backward()
    slope = sum([p.grad.abs().sum().item() for p in netG.parameters()])
    optimizer_G.step()

    optimizer_D.zero_grad()
    old = buffer.push_and_pop(fake_B)
    logits = netD(real_B)[0]
    sure = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits), size_average=False)
    loss_D = netD.module.loss(real_B, 1) + netD.module.loss(old.detach(), 0) + 0.1 * sure
    loss_D.backward()
    optimizer_D.step()
    schedules[0].step(loss_D)
    schedules[1].step()
    rates = [o.param_groups[0]["lr"] for o in (optimizer_G, optimizer_D)]
    log.append([loss_G.item(), loss_D.item(), cycle.item(), slope, *rates])

netG.eval()
with torch.no_grad():
    sample = netG["AB"](real_A, code).detach().cpu().numpy()
"""


@pytest.fixture
def _types() -> Iterator[None]:
    """Put back what the script sets."""
    yield
    for library in (tinygan, torch):
        library.set_default_dtype(library.float32)


@pytest.mark.usefixtures("_types")
def test_translation() -> None:
    random = np.random.default_rng(0)
    batches = [
        (*random.uniform(-1, 1, (2, 2, 3, 16, 16)), random.standard_normal((2, 3)))
        for _ in range(3)
    ]
    assert_same_run(TRANSLATION, batches)
