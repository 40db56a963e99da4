"""Optimizers, learning-rate schedules and averages of weights."""

from tinygan.optim import lr_scheduler
from tinygan.optim.adagrad import Adagrad
from tinygan.optim.adam import Adam, AdamW
from tinygan.optim.ema import EMA
from tinygan.optim.look_ahead import look_ahead
from tinygan.optim.optimizer import Optimizer
from tinygan.optim.rmsprop import RMSprop
from tinygan.optim.rule import RULES, Rule, rule
from tinygan.optim.sgd import SGD

__all__ = [
    "EMA",
    "RULES",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "Rule",
    "look_ahead",
    "lr_scheduler",
    "rule",
]
