"""`tinygan inpaint`: fill what is missing of a picture with what a run's generator can draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console

from tinygan.backend.errors import UserError
from tinygan.baselines import BASELINES
from tinygan.cli.display import tell_of_compiling
from tinygan.cli.sampling import check_class, load_generator
from tinygan.data import save_picture, to_uint8
from tinygan.data.dataset import to_float
from tinygan.data.folder import decode
from tinygan.data.pictures import expect_picture
from tinygan.data.resize import luminance
from tinygan.train.inpainting import Fill, fill
from tinygan.train.networks import make_game, make_networks
from tinygan.train.run import Run, fitting

SHOWN = 4  # fills in the sheet
GREY = 128  # stands for what is missing


def inpaint(
    path: Path,
    image: Path,
    mask: str,
    starts: int,
    seed: int,
    label: int | None,
    blend: bool,
    out: Path,
    sheet: Path | None,
    mark: str | None,
) -> None:
    """Write the picture filled, and a sheet of the best fills if asked."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    tell_of_compiling(console)
    run = Run.open(path)
    config, shape, classes = run.config(), run.shape(), run.notes().get("classes", 0)
    for picture in (out, sheet):
        if picture is not None:
            expect_picture(picture)
    if config.model in BASELINES:
        raise UserError(f"{path} holds a fitted {config.model}: its noise cannot be searched")
    if len(shape) != 3:
        raise UserError(f"{path} was trained on points; it cannot fill pictures")
    check_class(label, classes, run)
    pixels = decode(image, shape[1], (0, 0, 0))
    pixels = luminance(pixels) if shape[0] == 1 else pixels
    missing = read_mask(mask, shape[1])
    starts += -starts % config.packing
    generator, step = load_generator(run, config)
    _, discriminator = make_networks(config, shape, classes)
    with fitting(run.newest()):
        discriminator.load_state_dict(run.restore()["discriminator"])
    labels = None
    if classes:
        labels = np.arange(starts) % classes if label is None else np.full(starts, label)
    with console.status(f"searching from {starts} starts"):
        fills = fill(
            generator,
            discriminator,
            make_game(config, "cpu"),
            to_float(pixels).transpose(2, 0, 1),
            missing,
            config.latent,
            starts,
            labels,
            seed,
            blend,
        )
    origin = run.origin(seed, step, generator).about(
        f"a picture in which {missing.mean():.0%} has been filled"
    )
    save_picture(to_uint8(fills[0].filled), out, origin=origin, mark=mark)
    console.print(
        f"{missing.mean():.0%} of the picture filled; the known pixels next to it are met to "
        f"{fills[0].disagreement * 127.5:.1f} grey levels: {out}"
    )
    if sheet is not None:
        save_picture(side_by_side(pixels, missing, fills[:SHOWN]), sheet, origin=origin, mark=mark)
        shown = min(SHOWN, len(fills))
        console.print(f"the picture, what is known, and {shown} fills, drawn and joined: {sheet}")


def read_mask(mask: str, size: int) -> np.ndarray:
    """Where pixels (size, size) are missing: white in a picture, or a box TOP,LEFT,HEIGHT,WIDTH."""
    numbers = mask.replace(" ", "").split(",")
    missing = np.zeros((size, size), bool)
    if len(numbers) == 4 and all(number.isdigit() for number in numbers):
        top, left, height, width = map(int, numbers)
        missing[top : top + height, left : left + width] = True
    elif mask == "centre":
        quarter = size // 4
        missing[quarter : size - quarter, quarter : size - quarter] = True
    elif Path(mask).is_file():
        missing = luminance(decode(Path(mask), size, (0, 0, 0)))[..., 0] > GREY
    else:
        raise UserError(
            f"--mask {mask}: expected a picture that is white where pixels are missing, a box "
            "TOP,LEFT,HEIGHT,WIDTH in pixels, or centre"
        )
    if not missing.any() or missing.all():
        what = "nothing" if not missing.any() else "everything"
        raise UserError(f"--mask {mask}: {what} of the {size} x {size} pixels is missing")
    return missing


def side_by_side(pixels: np.ndarray, missing: np.ndarray, fills: list[Fill]) -> np.ndarray:
    """A row: the picture, what is known of it, and of each fill G(z) and the filled picture."""
    known = np.where(missing[..., None], np.uint8(GREY), pixels)
    tiles = [pixels, known]
    for one in fills:
        tiles += [to_uint8(one.drawn), to_uint8(one.filled)]
    gap = np.zeros((len(pixels), 2, pixels.shape[2]), np.uint8)
    return np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)
