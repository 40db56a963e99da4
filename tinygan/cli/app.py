"""The commands of `tinygan` and their options; what they do is in the modules beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tinygan.cli.app_bench import bench
from tinygan.cli.app_pictures import (
    DataDir,
    DataPath,
    Marked,
    MarkedBy,
    RunPath,
    audit,
    inpaint,
    key_of,
    verify,
)

app = typer.Typer(
    name="tinygan",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # "rich" takes [none] for a style and drops it
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train and study generative adversarial networks, from scratch on arrays.\n\n"
    "Example: tinygan train --data mnist --steps 1500",
)


def _option(text: str, metavar: str | None = None) -> Any:
    """An option that is None unless it is given, so that a configuration file can speak too."""
    return typer.Option(help=text, metavar=metavar, show_default=False)


@app.command()
def train(
    data: Annotated[
        str | None, _option("Data set, or a folder of images, .npz or .npy. [glyphs]", "NAME|PATH")
    ] = None,
    data_dir: DataDir = None,
    model: Annotated[
        str | None,
        _option("dcgan, resnet, mlp; or fitted: markov, texture, quilting, template. [dcgan]"),
    ] = None,
    game: Annotated[
        str | None,
        _option(
            "minimax, non_saturating, least_squares, hinge, wasserstein, relativistic, "
            "relativistic_average, softmax_game or boundary_equilibrium. [non_saturating]"
        ),
    ] = None,
    penalty: Annotated[
        str | None,
        _option(
            "On D: none, gradient_penalty, divergence_penalty, dragan, r1, r2 or r1_r2. [none]"
        ),
    ] = None,
    penalty_weight: Annotated[float | None, _option("The penalty's weight. [10]")] = None,
    clip: Annotated[float | None, _option("Keep D's weights in [-clip, clip]; 0: no. [0]")] = None,
    conditional: Annotated[
        str | None, _option("none, concatenation, projection, auxiliary or codes. [none]")
    ] = None,
    class_weight: Annotated[
        float | None, _option("The classifier's weight, with auxiliary and codes. [1]")
    ] = None,
    codes: Annotated[
        int | None, _option("How many classes --conditional codes finds. [10]")
    ] = None,
    packing: Annotated[int | None, _option("Samples that D judges together. [1]")] = None,
    minibatch_std: Annotated[
        bool | None,
        typer.Option("--minibatch-std", help="Show D a batch's variety.", show_default=False),
    ] = None,
    augment: Annotated[
        str | None, _option("Of color, translation, cutout, with commas between. [none]")
    ] = None,
    instance_noise: Annotated[
        float | None, _option("Noise on what D sees, falling to zero. [0]")
    ] = None,
    label_smoothing: Annotated[
        float | None, _option("D's target on reals is 1 - this. [0]")
    ] = None,
    steps: Annotated[int | None, _option("Training steps. [1000]")] = None,
    batch_size: Annotated[int | None, _option("Images in a batch. [64]")] = None,
    n_critic: Annotated[int | None, _option("Steps of D for one of G. [1]")] = None,
    unroll: Annotated[int | None, _option("Updates of D that G looks ahead. [0]")] = None,
    size: Annotated[int | None, _option("Side of the images, in pixels. [28]")] = None,
    width: Annotated[int | None, _option("Channels (dcgan, resnet) or units (mlp). [48]")] = None,
    latent: Annotated[int | None, _option("Dimensions of the noise. [100]")] = None,
    normalize: Annotated[
        str | None, _option("Batch normalisation in D: auto, yes or no. [auto]")
    ] = None,
    sync_batch_norm: Annotated[
        bool | None,
        typer.Option(
            "--sync-batch-norm", help="Batch moments over all processes.", show_default=False
        ),
    ] = None,
    lr_g: Annotated[float | None, _option("G's learning rate. [1e-3]")] = None,
    lr_d: Annotated[float | None, _option("D's learning rate. [5e-4]")] = None,
    beta1: Annotated[float | None, _option("Adam's first beta. [0.5]")] = None,
    beta2: Annotated[float | None, _option("Adam's second beta. [0.999]")] = None,
    schedule: Annotated[
        str | None, _option("Learning rates: constant, linear or cosine. [linear]")
    ] = None,
    lr_end: Annotated[float | None, _option("Learning rates end at this times theirs. [0]")] = None,
    beta2_end: Annotated[float | None, _option("What beta2 goes to; 0: it stays. [0]")] = None,
    penalty_end: Annotated[
        float | None, _option("The penalty's weight ends at this times its own. [1]")
    ] = None,
    ema: Annotated[float | None, _option("Decay of the average of G's weights. [0.99]")] = None,
    seed: Annotated[int | None, _option("Seed of all random numbers. [0]")] = None,
    device: Annotated[str | None, _option("auto, cpu, cuda or cuda:N. [auto]")] = None,
    precision: Annotated[
        str | None,
        _option("Of products: float32, float16, bfloat16; on a GPU tf32, tf32x3. [float32]"),
    ] = None,
    out: Annotated[Path | None, _option("The run directory to make. [runs/DATA-MODEL]")] = None,
    resume: Annotated[Path | None, _option("Continue the run in this directory.")] = None,
    distributed: Annotated[
        bool | None,
        typer.Option(
            "--distributed", help="With the processes that mpiexec started.", show_default=False
        ),
    ] = None,
    config: Annotated[Path | None, _option("Options from a TOML file.", "FILE.toml")] = None,
    mark: Annotated[
        bool | None,
        typer.Option("--mark", help="Mark pictures of samples invisibly.", show_default=False),
    ] = None,
    checkpoint_every: Annotated[int | None, _option("Steps between checkpoints. [250]")] = None,
    sample_every: Annotated[int | None, _option("Steps between samples. [50]")] = None,
    diagnostics_every: Annotated[
        int | None, _option("Steps between looks at logits, layers and units; 0: none. [50]")
    ] = None,
    stop_on: Annotated[
        str | None,
        _option(
            "Stop when a detector speaks: any, or of discriminator_won, collapse, oscillation, "
            "divergence, jump, with commas between. [none]"
        ),
    ] = None,
) -> None:
    """Train a GAN and watch what it draws; Ctrl-C saves, --resume continues.

    Example: tinygan train --data mnist --game hinge --steps 1500
    """
    options = {name: value for name, value in locals().items() if value is not None}
    from tinygan.cli.training import train

    train(options)


@app.command()
def sample(
    run: RunPath,
    n: Annotated[int, typer.Option("-n", help="How many samples.", min=1)] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    label: Annotated[
        int | None, typer.Option("--class", help="Only of this class. [all in turn]", min=0)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The picture to write. [RUN/sample.png]", show_default=False)
    ] = None,
    interpolate: Annotated[
        Path | None,
        typer.Option(help="Also write a walk through the noise, as a GIF.", show_default=False),
    ] = None,
    mark: Marked = False,
    key: MarkedBy = None,
) -> None:
    """Draw new samples from a run's newest checkpoint.

    Example: tinygan sample runs/glyphs-dcgan -n 100 --interpolate walk.gif
    """
    from tinygan.cli.sampling import sample

    sample(run, n, seed, out or run / "sample.png", interpolate, label, key_of(mark, key))


app.command()(verify)
app.command()(audit)
app.command()(inpaint)


@app.command()
def evaluate(
    run: RunPath,
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            help="How many samples. [10000, or as many as there are real ones to compare with]",
            min=1,
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise and of what is compared.")] = 0,
    data: DataPath = None,
    data_dir: DataDir = None,
    json: Annotated[Path | None, typer.Option("--json", help="Also write JSON.")] = None,
) -> None:
    """Judge the samples of a run's newest checkpoint by all figures that apply to its data.

    Each stands beside its floor: what as many real images, or a perfect generator, get.

    Example: tinygan evaluate runs/mnist-dcgan -n 10000 --json figures.json
    """
    from tinygan.cli.evaluating import evaluate

    evaluate(run, n, seed, None if data_dir is None else str(data_dir), json, data)


@app.command()
def reproduce(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="dirac, ring, grid, grid25, stacked-mnist or mnist-quality."
        ),
    ],
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Trials of each row. [as many as the experiment asks for]",
            min=1,
            show_default=False,
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few minutes, to see it run.")] = False,
    variant: Annotated[
        list[str] | None, typer.Option(help="Only this row; may be repeated. [all]")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Trials at a time, each on a thread. [the number of cores]",
            min=1,
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    data_dir: DataDir = None,
    out: Annotated[Path, typer.Option(help="Where JSON and pictures go.")] = Path("reproduced"),
) -> None:
    """Run a published experiment again, and print what came out beside what was published.

    Trials that are in the JSON already are not run again: a long run can be stopped and continued.

    Example: tinygan reproduce dirac
    """
    from tinygan.cli.reproducing import reproduce

    folder = None if data_dir is None else str(data_dir)
    reproduce(name, seeds, quick, variant or [], jobs, device, folder, out)


@app.command()
def diagnose(
    run: RunPath,
    json: Annotated[Path | None, typer.Option("--json", help="Also write JSON.")] = None,
) -> None:
    """Say what went wrong in a run, and what its logits, layers and units were like.

    The detectors of `tinygan train` read its metrics again, from the first step on.

    Example: tinygan diagnose runs/glyphs-dcgan
    """
    from tinygan.cli.diagnosing import diagnose

    diagnose(run, json)


@app.command()
def gradcheck(
    op: Annotated[
        str | None, typer.Option(help="Only this op, layer or loss.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verify every derivative numerically and print the table.

    Example: tinygan gradcheck --op conv2d
    """
    from tinygan.cli.gradients.report import gradcheck

    raise typer.Exit(gradcheck(op, json))


@app.command()
def info() -> None:
    """Show devices, threads, versions and the BLAS in use.

    Example: tinygan info
    """
    from tinygan.cli.information import info

    info()


app.add_typer(bench, name="bench")


Background = Annotated[
    str,
    typer.Option(help="What shows through transparent pictures: a colour.", metavar="COLOUR"),
]


@app.command()
def data(
    name: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A data set, or a path.")],
    data_dir: DataDir = None,
    size: Annotated[
        int | None, _option("Side of the images. [theirs; of a folder the commonest]")
    ] = None,
    out: Annotated[Path | None, _option("Write a contact sheet to this PNG.")] = None,
    collect: Annotated[
        Path | None,
        _option("Write what is neither broken nor there twice to this .npz."),
    ] = None,
    background: Background = "black",
) -> None:
    """Fetch a data set if need be, and report what it is made of.

    Of a folder: sizes, formats, broken files, and pictures that look alike.

    Example: tinygan data photos --out sheet.png --collect photos.npz
    """
    from tinygan.cli.datasets import describe

    describe(name, data_dir, size, out, collect, background)


@app.command()
def features(
    name: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A data set with classes.")],
    data_dir: DataDir = None,
    size: Annotated[
        int | None, _option("Side of the images. [theirs; of a folder the commonest]")
    ] = None,
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("features.png"),
    background: Background = "black",
) -> None:
    """Show what a classifier of the data sees: filters, activations, the space of its features.

    Example: tinygan features mnist --out features.png
    """
    from tinygan.cli.featuring import features

    features(name, data_dir, size, out, background)
