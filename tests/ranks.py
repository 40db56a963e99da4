"""What three ranks do with tensors: run by mpiexec, with the device as an argument."""

from __future__ import annotations

import sys

import numpy as np
import strict_cupy

import tinygan
from tinygan import distributed, nn, optim
from tinygan.autograd import Tensor, grad
from tinygan.backend import register
from tinygan.backend.errors import UserError
from tinygan.cli.together import agree, ending_together
from tinygan.losses import BoundaryEquilibrium

register(strict_cupy.backend())
ranks = distributed.init_process_group("mpi")
rank, size = ranks.rank, ranks.size
device = sys.argv[1]


def tensor(array: np.ndarray) -> Tensor:
    return tinygan.from_numpy(array).to(device)


def equal(x: Tensor, expected: np.ndarray, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(x.detach().cpu().numpy(), expected, rtol=tolerance, atol=tolerance)


def collectives() -> None:
    images = np.arange(24.0).reshape(1, 3, 2, 4).transpose(0, 3, 1, 2)  # not in C order
    x = tensor(images * (rank + 1))
    distributed.all_reduce(x)
    equal(x, images * size * (size + 1) / 2)
    count = tensor(np.array(rank, dtype=np.int64))
    distributed.broadcast(count, src=size - 1)
    assert count.item() == size - 1
    distributed.barrier()
    assert ranks.share({"rank": rank}, root=1) == {"rank": 1}
    assert ranks.gather(rank) == list(range(size))
    assert agree(ranks, lambda: rank) == rank


def gradients() -> None:
    single, double = np.ones((2, 3), np.float32), np.arange(4.0)
    given = [tensor(single * rank), None, tensor(double * rank), tensor(single[0] * -rank)]
    mean = (size - 1) / 2
    a, nothing, b, c = distributed.averaged(given)
    assert nothing is None and a is not None and b is not None and c is not None
    assert a.dtype == np.float32 and b.dtype == np.float64
    equal(a, single * mean)
    equal(b, double * mean)
    equal(c, single[0] * -mean)


def batch_norm() -> None:
    """Results and derivatives of two orders are those of the whole batch."""
    random = np.random.default_rng(0)
    batch = random.normal(size=(4 * size, 3, 2, 5)) + 2
    g = random.normal(size=batch.shape)
    own = slice(4 * rank, 4 * rank + 4)

    def derived(norm: nn.Module, part: slice) -> list[Tensor]:
        x, v = tensor(batch[part]).requires_grad_(), tensor(g[part])
        y = norm(x)
        values = list(norm.parameters())
        first = grad((y * v).sum(), [x, *values], create_graph=True)
        length = (first[0] * first[0]).sum()  # as a gradient penalty takes
        second = grad(length, [x, *values], allow_unused=True)
        plain = grad((norm(x) * v).sum(), [x, *values])
        return [y, *first, second[0], second[1], *plain]

    norms = []
    for kind in (nn.BatchNorm2d, nn.SyncBatchNorm):
        norm = kind(3, dtype="float64").to(device)
        with tinygan.no_grad():
            norm.weight.copy_(tensor(np.array([0.5, 2.0, -1.0])))
        norms.append(norm)
    whole, shared = norms
    expected = [x.detach().cpu().numpy() for x in derived(whole, slice(None))]
    found = derived(shared, own)
    for number, (x, y) in enumerate(zip(found, expected, strict=True)):
        if x.ndim == 4:
            equal(x, y[own], 1e-10)
        else:  # by weight and bias: a part of the sum over the batch
            distributed.all_reduce(x.detach())
            equal(x, y, 1e-10)
        assert np.abs(y).max() > 1e-3, number
    for one, other in zip(whole.buffers(), shared.buffers(), strict=True):
        equal(other, one.cpu().numpy())
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.Linear(2, 3), whole))
    assert type(converted[1]) is nn.SyncBatchNorm and converted[1].weight is whole.weight


def recorded() -> None:
    """A compiled step, replayed, equals the step on the whole batch; the ranks stay together."""
    random = np.random.default_rng(1)
    batches = random.normal(size=(6, 4 * size, 5))

    def trained(part: slice, shared: bool) -> nn.Module:
        tinygan.manual_seed(7)
        model = nn.Sequential(
            nn.Linear(5, 6, dtype="float64"),
            (nn.SyncBatchNorm if shared else nn.BatchNorm1d)(6, dtype="float64"),
            nn.ReLU(),
            nn.Linear(6, 1, dtype="float64"),
        ).to(device)
        optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)

        @tinygan.compile
        def step(x: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
            loss.backward()
            if shared:
                distributed.average_gradients(model.parameters())
            optimizer.step()
            return distributed.mean_over_ranks(loss.detach()) if shared else loss.detach()

        losses.append([step(tensor(batch[part])).item() for batch in batches])
        return model

    losses: list[list[float]] = []
    whole = trained(slice(None), False)
    parts = trained(slice(4 * rank, 4 * rank + 4), True)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-9)
    for one, other in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        equal(other, one.cpu().numpy(), 1e-9)
    state = [x.cpu().numpy().tobytes() for x in parts.state_dict().values()]
    assert all(theirs == state for theirs in ranks.gather(state)), "the ranks have drifted apart"


def game() -> None:
    """What a game remembers is of all batches, the same on every rank."""
    energies = np.random.default_rng(2).uniform(1, 2, (2, 4 * size)).astype(np.float32)
    ours = energies[:, 4 * rank : 4 * rank + 4]
    shared = BoundaryEquilibrium(rate=0.1).to(device)
    shared.balance(tensor(ours[0] * 3), tensor(ours[1]))
    real, fake = energies.mean(1, dtype=np.float64)
    equal(shared.k, np.array(0.1 * (0.5 * 3 * real - fake)), 1e-6)
    assert shared.k.item() > 0.01


if device == "alone":
    with ending_together(ranks):
        if rank == 1:
            raise UserError("the disk is full")
        ranks.barrier()
        ranks.barrier()
else:
    for check in (collectives, gradients, batch_norm, game, recorded):
        check()
    print("all is well", flush=True)
