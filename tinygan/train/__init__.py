"""The GAN step, the loop, checkpoints, and what a run leaves behind."""

from tinygan.train.config import Config
from tinygan.train.detectors import Detectors, Event
from tinygan.train.finite import NonFiniteError
from tinygan.train.loop import train
from tinygan.train.pictures import picture
from tinygan.train.run import Run
from tinygan.train.state import Training, draw
from tinygan.train.step import gan_step

__all__ = [
    "Config",
    "Detectors",
    "Event",
    "NonFiniteError",
    "Run",
    "Training",
    "draw",
    "gan_step",
    "picture",
    "train",
]
