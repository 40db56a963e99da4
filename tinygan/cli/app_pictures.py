"""The commands about what is in pictures: where one comes from, and what was copied."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

KEY = "tinygan"  # as in tinygan.data.mark, which the help need not load

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]
DataPath = Annotated[
    str | None,
    typer.Option(
        help="Where the run's data lies now. [where it was]", metavar="PATH", show_default=False
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Where downloaded data sets lie. [$TINYGAN_DATA, or the user's cache]",
        show_default=False,
    ),
]
Marked = Annotated[
    bool, typer.Option("--mark", help="Mark it invisibly; survives JPEG 75 and resizing.")
]
OWN_KEY = "The mark's key; one of your own lets only you find and make it."
MarkKey = Annotated[str, typer.Option(help=OWN_KEY)]
MarkedBy = Annotated[
    str | None,
    typer.Option("--key", help=f"{OWN_KEY} Implies --mark. [{KEY}]", show_default=False),
]


def key_of(mark: bool, key: str | None) -> str | None:
    """The key to mark with; None for no mark."""
    return KEY if mark and key is None else key


def verify(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture.")],
    key: MarkKey = KEY,
    run: Annotated[
        Path | None, typer.Option(help="Is it of this run's checkpoint?", show_default=False)
    ] = None,
) -> None:
    """Say where a picture comes from: the origin in its file, and the invisible mark.

    The exit code is 0 where it is this program's, by either, and 1 where nothing says so.

    Example: tinygan verify runs/glyphs-dcgan/sample.png
    """
    from tinygan.cli.verifying import verify

    raise typer.Exit(verify(image, key, run))


def audit(
    run: RunPath,
    n: Annotated[int, typer.Option("-n", help="How many samples.", min=10)] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    data: DataPath = None,
    data_dir: DataDir = None,
    others: Annotated[
        str | None,
        typer.Option(
            help="Images of the same kind that it was not trained on. [those held out, if any]",
            metavar="NAME|PATH",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The picture to write. [RUN/audit.png]", show_default=False)
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Also write JSON.")] = None,
) -> None:
    """Find samples of a run's newest checkpoint that copy training images.

    A sample's nearest training image is compared with those of held-out images. The exit code is
    1 where more samples are that near than chance explains.

    Example: tinygan audit runs/mnist-dcgan
    """
    from tinygan.cli.auditing import audit

    where = None if data_dir is None else str(data_dir)
    raise typer.Exit(audit(run, n, seed, where, others, out or run / "audit.png", json, data))


def inpaint(
    run: RunPath,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture to fill.")],
    mask: Annotated[
        str,
        typer.Option(
            help="What is missing: a picture, white there; a box TOP,LEFT,HEIGHT,WIDTH; or centre.",
            metavar="FILE|BOX|centre",
        ),
    ] = "centre",
    starts: Annotated[int, typer.Option(help="Points to search from.", min=1)] = 16,
    seed: Annotated[int, typer.Option(help="Seed of these points.")] = 0,
    label: Annotated[
        int | None, typer.Option("--class", help="Its class. [all are tried]", min=0)
    ] = None,
    blend: Annotated[
        bool, typer.Option(help="Fit what is drawn to the border, by Poisson's equation.")
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(help="The picture to write. [RUN/inpaint.png]", show_default=False),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Also show the best fills side by side.", show_default=False)
    ] = None,
    mark: Marked = False,
    key: MarkedBy = None,
) -> None:
    """Fill missing regions of a picture by a search for what the run's generator can draw.

    The picture should be of the kind that the run was trained on; it is brought to its size.

    Example: tinygan inpaint runs/glyphs-dcgan digit.png --mask 8,8,12,12 --sheet fills.png
    """
    from tinygan.cli.inpainting import inpaint

    where = out or run / "inpaint.png"
    inpaint(run, image, mask, starts, seed, label, blend, where, sheet, key_of(mark, key))
