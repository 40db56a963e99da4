"""What a run leaves for the eye: grids of samples, the training as an animation, curves."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tinygan.autograd import Tensor
from tinygan.backend import host_array
from tinygan.backend.files import FileError
from tinygan.data import Origin, make_grid, save_figure, save_gif, to_uint8
from tinygan.data.origin import read_picture

CANVAS = 256  # side of the picture that points in the plane are drawn on


def reach_of(points: np.ndarray) -> float:
    """How far from 0 a picture of these points (N, 2) goes."""
    return 1.2 * float(np.abs(points).max())


def picture(
    samples: Tensor, reals: Any = None, columns: int = 8, reach: float | None = None
) -> np.ndarray:
    """(H, W, 3) uint8: a grid of images in [-1, 1], or points of the plane over the real ones.

    Of the plane it shows [-reach, reach]^2, or what the real ones need, or the samples.
    """
    if samples.ndim == 4:
        return to_uint8(make_grid(samples, nrow=columns, pad_value=-1.0))
    canvas = np.full((CANVAS, CANVAS, 3), 255, np.uint8)
    fakes = host_array(samples.array)
    reals = fakes if reals is None else np.asarray(reals)
    reach = reach_of(reals) if reach is None else reach
    for points, colour in ((reals, (190, 200, 215)), (fakes, (200, 60, 30))):
        inside = points[np.isfinite(points).all(1) & (np.abs(points) < reach).all(1)]
        at = ((inside / reach + 1) * (CANVAS / 2)).astype(int).clip(1, CANVAS - 2)
        for shift in (0, 1):  # two pixels wide and high
            canvas[CANVAS - 1 - at[:, 1], at[:, 0] + shift] = colour
            canvas[CANVAS - 2 - at[:, 1], at[:, 0] + shift] = colour
    return canvas


def animate(frames: list[Path], path: Path, origin: Origin | None = None) -> None:
    """The pictures of a training as one animation, the last one held for two seconds.

    Those that cannot be read are left out.
    """
    pictures = []
    for frame in frames:
        with suppress(FileError):
            pictures.append(read_picture(frame)[0][0])
    if pictures:
        save_gif([*pictures, *[pictures[-1]] * 10], path, duration=200, origin=origin)


def draw_curves(records: list[dict[str, Any]], path: Path, origin: Origin | None = None) -> None:
    """Losses, D's opinion of real and fake samples, and gradient norms over the steps.

    A red line stands where a detector of failing training spoke.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 8), layout="constrained")
    steps = np.array([record["step"] for record in records])
    failed = [record["step"] for record in records if "events" in record]
    panels = (
        ("loss", {"d_loss": "D", "g_loss": "G"}, "linear"),
        ("sigmoid of D's output", {"d_real": "D(x)", "d_fake": "D(G(z))"}, "linear"),
        ("gradient norm", {"d_grad_norm": "D", "g_grad_norm": "G"}, "log"),
    )
    for axes, (title, lines, scale) in zip(figure.subplots(3, 1, sharex=True), panels, strict=True):
        for (key, label), colour in zip(lines.items(), ("tab:blue", "tab:orange"), strict=True):
            values = np.array([record[key] for record in records])
            width = max(1, len(values) // 100)
            dot = "o" if len(values) == 1 else None  # a line through one point shows nothing
            axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.5)
            if len(values) >= width:
                smooth = np.convolve(values, np.ones(width) / width, "valid")
                axes.plot(steps[width - 1 :], smooth, color=colour, label=label, marker=dot)
        for step in failed:
            axes.axvline(step, color="tab:red", linewidth=0.8)
        axes.set_ylabel(title)
        axes.set_yscale(scale)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right")
    axes.set_xlabel("step")
    save_figure(figure, path, origin=origin)
