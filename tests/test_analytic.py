"""What is known of the games exactly: eigenvalues, trajectories, optima, a fit to a Gaussian."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest

import tinygan
from tinygan import nn, optim
from tinygan.autograd import Parameter, Tensor, grad, wrap
from tinygan.losses import PairGame, game, gradient_penalty, r1, r2
from tinygan.train import gan_step

# -- the Dirac-GAN: data at 0, G draws t, D(x) = c x -------------------------------------------
# Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?", 2018,
# sections 2 and 4, and lemmas 2.3, 2.5, D.3. The losses' slope at a logit of 0 is f'(0).

SLOPES = {"minimax": 0.5, "non_saturating": 0.5, "wasserstein": 1.0, "hinge": 1.0,
          "relativistic": 0.5, "relativistic_average": 1.0}  # fmt: skip


def field(name, t, c, penalty=None):
    """Minus the gradients of G's loss by t and of D's by c, for tensors t and c of one number."""
    real = wrap(np.zeros((1, 1)))

    def critic(x):
        return (x * c).reshape(-1)

    logits = critic(real), critic(t.reshape(1, 1))
    g = game(name)
    d_loss = g.discriminator(*logits)
    if penalty is not None:
        d_loss = d_loss + penalty(critic, real, t.detach().reshape(1, 1))
    g_loss = g.generator(*(logits if isinstance(g, PairGame) else logits[1:]))
    (by_t,) = grad(g_loss, t, create_graph=True)
    (by_c,) = grad(d_loss, c, create_graph=True)
    return -by_t, -by_c


def jacobian(name, penalty=None):
    """Of the field at the equilibrium t = c = 0, by second derivatives."""
    t, c = (wrap(np.zeros(1)).requires_grad_() for _ in range(2))
    rows = []
    for v in field(name, t, c, penalty):
        found = (
            grad(v.sum(), [t, c], None, True, allow_unused=True)
            if v.requires_grad
            else (None, None)
        )
        rows.append([0.0 if x is None else x.item() for x in found])
    return np.array(rows)


@pytest.mark.parametrize("name", SLOPES)
def test_the_flow_circles_around_the_equilibrium(name):
    """Eigenvalues +-i f'(0), so no step size makes simultaneous descent converge."""
    j, slope = jacobian(name), SLOPES[name]
    np.testing.assert_allclose(j, [[0, slope], [-slope, 0]], atol=1e-15)
    values = np.linalg.eigvals(j)
    np.testing.assert_allclose(sorted(values.imag), [-slope, slope], rtol=1e-14)
    for step in (0.01, 0.5):
        radius = np.abs(np.linalg.eigvals(np.eye(2) + step * j)).max()
        assert radius == pytest.approx(sqrt(1 + step**2 * slope**2), rel=1e-14)


def weighted(penalty, gamma):
    return lambda critic, real, fake: 0.5 * gamma * penalty(critic, real, fake)


PENALTIES = {
    "r1": lambda critic, real, fake: r1(critic, real),
    "r2": lambda critic, real, fake: r2(critic, fake),
}


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0, 2.0, 4.0])
def test_r1_and_r2_pull_the_eigenvalues_to_the_left(name, gamma, penalty):
    """-gamma / 2 +- sqrt(gamma^2 / 4 - f'(0)^2): critical at gamma = 2 |f'(0)|."""
    values = np.linalg.eigvals(jacobian(name, weighted(PENALTIES[penalty], gamma)))
    root = np.sqrt(complex(gamma**2 / 4 - SLOPES[name] ** 2))
    expected = np.array([-gamma / 2 - root, -gamma / 2 + root])
    order = np.lexsort((values.real.round(6), values.imag.round(6)))
    expected = expected[np.lexsort((expected.real.round(6), expected.imag.round(6)))]
    # a double eigenvalue has half of the precision
    np.testing.assert_allclose(values[order], expected, atol=1e-7)
    assert values.real.max() < 0


def trajectory(name, steps, rate, penalty=None, simultaneous=True, start=(1.0, 0.5)):
    t, c = (wrap(np.array([x])).requires_grad_() for x in start)
    path = [start]
    for _ in range(steps):
        by_t, by_c = field(name, t, c, penalty)
        c = (c + rate * by_c).detach().requires_grad_()
        if not simultaneous:
            by_t, _ = field(name, t, c, penalty)
        t = (t + rate * by_t).detach().requires_grad_()
        path.append((t.item(), c.item()))
    return np.array(path)


@pytest.mark.parametrize("name", ["minimax", "wasserstein"])
def test_the_flow_conserves_the_distance(name):
    """d/dt (t^2 + c^2) = 2 <(t, c), v> = 0 everywhere, as what one wins the other loses."""
    random = np.random.default_rng(0)
    for a, b in random.standard_normal((20, 2)):
        t, c = (wrap(np.array([x])).requires_grad_() for x in (a, b))
        by_t, by_c = (v.item() for v in field(name, t, c))
        assert a * by_t + b * by_c == pytest.approx(0, abs=1e-14)


def test_simultaneous_descent_spirals_out_by_its_factor():
    path = trajectory("wasserstein", 50, 0.1)
    np.testing.assert_allclose((path**2).sum(1), 1.25 * 1.01 ** np.arange(51), rtol=1e-12)


def test_alternating_descent_goes_round_on_an_ellipse():
    """t^2 + c^2 - rate t c stays as it is."""
    rate = 0.2
    path = trajectory("wasserstein", 200, rate, simultaneous=False)
    kept = (path**2).sum(1) - rate * path.prod(1)
    np.testing.assert_allclose(kept, kept[0], rtol=1e-12)


@pytest.mark.parametrize("name", ["non_saturating", "wasserstein", "relativistic"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_with_r1_or_r2_it_converges_and_without_it_does_not(name, penalty):
    plain = trajectory(name, 400, 0.1)
    damped = trajectory(name, 400, 0.1, weighted(PENALTIES[penalty], 1.0))
    distance = [np.hypot(*path.T) for path in (plain, damped)]
    assert distance[0][-1] > 0.1
    assert distance[1][-1] < 1e-5


def test_at_the_critical_weight_it_does_not_go_round():
    """gamma = 2 f'(0): both eigenvalues are -f'(0); below it t changes its sign on and on."""
    under, critical = (
        trajectory("non_saturating", 600, 0.05, weighted(PENALTIES["r1"], gamma))[:, 0]
        for gamma in (0.1, 1.0)
    )
    crossings = [(np.diff(np.sign(t)) != 0).sum() for t in (under, critical)]
    assert crossings[0] >= 4
    assert crossings[1] <= 1


def test_the_gradient_penalty_does_not_converge():
    """It wants |c| = 1, and c = 0 is the equilibrium (section 4.2 and figure 3 there)."""

    def penalty(critic, real, fake):
        return 10 * gradient_penalty(critic, real, fake)

    path = trajectory("wasserstein", 1000, 0.02, penalty, simultaneous=False)
    assert np.hypot(*path[-200:].T).min() > 0.5


# -- optima -----------------------------------------------------------------------------------


def divergence(p, q):
    """Jensen-Shannon."""
    m = (p + q) / 2
    return 0.5 * (p * np.log(p / m)).sum() + 0.5 * (q * np.log(q / m)).sum()


COUNTS = np.array([[1, 6, 3, 2], [5, 2, 2, 3]])


def test_training_finds_the_density_ratio_and_the_divergence():
    """D free at 4 points: it ends at p / (p + q), its loss at 2 log 2 - 2 JS(p, q)."""
    real, fake = (wrap(np.repeat(np.arange(4), n)) for n in COUNTS)
    table = Parameter(wrap(np.zeros(4)))
    optimizer = optim.SGD([table], 2.0)
    loss: Tensor
    for _ in range(1000):
        loss = game("minimax").discriminator(table[real], table[fake])
        optimizer.update(grad(loss, [table]))
    p, q = COUNTS / 12
    np.testing.assert_allclose(1 / (1 + np.exp(-table.detach().numpy())), p / (p + q), rtol=1e-10)
    assert loss.item() == pytest.approx(2 * log(2) - 2 * divergence(p, q), rel=1e-12)


def test_the_relativistic_optimum_is_the_same_logit_and_its_own_divergence():
    """D = log p / q is stationary, and the loss there log 2 - JS(p x q, q x p)."""
    p, q = COUNTS / 12
    pairs = np.array([(i, j) for i in range(4) for j in range(4)
                      for _ in range(COUNTS[0, i] * COUNTS[1, j])])  # fmt: skip
    table = wrap(np.log(p / q) + 0.7).requires_grad_()
    real, fake = (table[wrap(column.copy())] for column in pairs.T)
    loss = game("relativistic").discriminator(real, fake)
    np.testing.assert_allclose(grad(loss, table)[0].numpy(), 0, atol=1e-15)
    both = np.outer(p, q)
    assert loss.item() == pytest.approx(log(2) - divergence(both, both.T), rel=1e-12)


@pytest.mark.parametrize("separation", [0.0, 1.0, 4.0, 8.0])
def test_the_divergence_of_two_gaussians_by_the_game(separation):
    """The best D of two Gaussians is linear; its loss tells their divergence, at most log 2."""
    x = np.linspace(-10, separation + 10, 100001)
    p, q = (np.exp(-((x - m) ** 2) / 2) for m in (0.0, separation))
    p, q = p / p.sum(), q / q.sum()
    quantiles = (np.arange(50000) + 0.5) / 50000
    logits = [
        wrap(separation * (separation / 2 - np.interp(quantiles, d.cumsum(), x))) for d in (p, q)
    ]
    found = log(2) - game("minimax").discriminator(*logits).item() / 2
    assert found == pytest.approx(divergence(p, q), abs=1e-4)
    if separation == 8:
        assert found == pytest.approx(0.693054, abs=2e-5)
    assert found < log(2)


# -- a linear generator against a Gaussian -----------------------------------------------------


class Quadratic(nn.Module):
    """x -> <w, (x, x x')> + b: log p / q of two Gaussians has this form."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 1)

    def forward(self, x):
        squares = (x.unsqueeze(2) * x.unsqueeze(1)).reshape(len(x), 4)
        return self.linear(tinygan.cat([x, squares * 0.1], 1)).reshape(-1)


MEAN, MATRIX = np.array([1.0, 2.0]), np.array([[1.0, 2.0], [-0.1, 0.5]])


def kl(mean, covariance):
    """Of the Gaussian N(mean, covariance) from the target."""
    target = MATRIX.T @ MATRIX
    inverse, d = np.linalg.inv(target), mean - MEAN
    logs = np.linalg.slogdet(target)[1] - np.linalg.slogdet(covariance)[1]
    return 0.5 * (np.trace(inverse @ covariance) + d @ inverse @ d - 2 + logs)


def fitted(name, steps=2000):
    """The divergence before and after training of G(z) = A z + b."""
    tinygan.manual_seed(0)
    G, D = nn.Linear(2, 2), Quadratic()
    with tinygan.no_grad():
        G.weight.copy_(tinygan.eye(2))
        G.bias.fill_(0.0)
    rates = ((G, 0.02), (D, 0.1))
    optimizers = [optim.Adam(N.parameters(), lr, (0.0, 0.9)) for N, lr in rates]
    schedules = [optim.lr_scheduler.CosineAnnealingLR(o, steps) for o in optimizers]

    def divergence_now():
        a = G.weight.detach().numpy().astype(np.float64)
        return kl(G.bias.detach().numpy().astype(np.float64), a @ a.T)

    def penalty(critic, real, fake):
        return 0.05 * (r1(critic, real) + r2(critic, fake))

    mean, matrix = (tinygan.tensor(x, dtype=np.float32) for x in (MEAN, MATRIX))

    def step(real):
        return gan_step(G, D, *optimizers, [real], 2, game(name), penalty)

    recorded = tinygan.compile(step)
    before = divergence_now()
    for _ in range(steps):
        recorded(tinygan.randn(256, 2) @ matrix + mean)
        for schedule in schedules:
            schedule.step()
    return before, divergence_now()


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "relativistic"])
def test_a_linear_generator_fits_a_gaussian(name):
    """Covariance [[1.01, 1.95], [1.95, 4.25]], whose correlation is 0.94."""
    before, after = fitted(name)
    assert before > 4
    assert after < 0.128
