"""The layers by Keras's names and defaults. Images are (N, H, W, C)."""

from tinygan.keras.layer import Layer
from tinygan.keras.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from tinygan.keras.layers.conv import Conv2D, Conv2DTranspose
from tinygan.keras.layers.dense import Dense, Embedding
from tinygan.keras.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from tinygan.keras.layers.noise import Dropout, GaussianNoise, SpatialDropout2D
from tinygan.keras.layers.normalization import BatchNormalization, LayerNormalization
from tinygan.keras.layers.pooling import (
    AveragePooling2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
)
from tinygan.keras.layers.shaping import (
    Flatten,
    Input,
    InputLayer,
    Lambda,
    Permute,
    Rescaling,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)

AvgPool2D, MaxPool2D = AveragePooling2D, MaxPooling2D
GlobalAvgPool2D, GlobalMaxPool2D = GlobalAveragePooling2D, GlobalMaxPooling2D

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "Average",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPool2D",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Permute",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Softmax",
    "SpatialDropout2D",
    "Subtract",
    "UpSampling2D",
    "ZeroPadding2D",
    "add",
    "average",
    "concatenate",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]
