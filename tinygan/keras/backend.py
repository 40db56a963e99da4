"""What Keras programs ask of their backend."""

from __future__ import annotations

from tinygan.keras.losses import EPSILON
from tinygan.keras.utils import clear_session


def epsilon() -> float:
    """Where losses cut probabilities off."""
    return EPSILON


def image_data_format() -> str:
    """Images are (N, H, W, C)."""
    return "channels_last"


__all__ = ["clear_session", "epsilon", "image_data_format"]
