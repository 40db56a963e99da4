"""Probability distributions: samples, through which gradients may flow, densities, divergences."""

from tinygan.distributions.bernoulli import Bernoulli
from tinygan.distributions.categorical import Categorical
from tinygan.distributions.distribution import Distribution
from tinygan.distributions.kl import kl_divergence
from tinygan.distributions.normal import Normal
from tinygan.distributions.one_hot_categorical import OneHotCategorical
from tinygan.distributions.uniform import Uniform

__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Normal",
    "OneHotCategorical",
    "Uniform",
    "kl_divergence",
]
