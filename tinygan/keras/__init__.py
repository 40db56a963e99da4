"""Keras's way of writing networks, on tinygan's layers, optimizers and recorded steps.

A program written for Keras 3 runs with `keras` -> `tinygan.keras` in its imports. Defaults and
numbers are Keras's: images are (N, H, W, C), kernels Glorot uniform, Adam's epsilon 1e-7.
`import tinygan` does not load this package.
"""

from tinygan.keras import (
    activations,
    backend,
    callbacks,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    utils,
)
from tinygan.keras.layers import Input, InputLayer, Layer
from tinygan.keras.model import Functional, Model, Sequential
from tinygan.keras.symbolic import KerasTensor

__all__ = [
    "Functional",
    "Input",
    "InputLayer",
    "KerasTensor",
    "Layer",
    "Model",
    "Sequential",
    "activations",
    "backend",
    "callbacks",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
    "utils",
]
