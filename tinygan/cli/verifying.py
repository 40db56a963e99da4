"""`tinygan verify`: where a picture comes from, and how sure that is."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from tinygan.cli.sampling import load_generator
from tinygan.data.mark import LIKELY, SURE, found
from tinygan.data.origin import pixels_checksum, read_picture, weights_checksum
from tinygan.train.run import Run


def verify(path: Path, key: str, of: Path | None) -> int:
    """Print what the file and the pixels say; 0 if either names this program, else 1."""
    console = Console(highlight=False, soft_wrap=True)
    frames, fields, format = read_picture(path)
    height, width = frames[0].shape[:2]
    many = f", {len(frames)} frames" if len(frames) > 1 else ""
    console.print(f"[bold]{escape(str(path))}[/]  {format}, {width} x {height}{many}")

    console.print("\n[bold]origin[/] (text in the file; anyone can write or remove it)")
    for name, text in fields.items():
        console.print(f"  {name.lower():>10}  {escape(text)}")
    if not fields:
        console.print("  none: not written by this program, or encoded anew since")
    elif "Pixels" in fields:
        same = pixels_checksum(frames[0]) == fields["Pixels"]
        console.print(
            "  the pixels are those that it was written with"
            if same
            else "  [bold]the pixels have changed[/] since it was written: the origin is that of "
            "another picture, or of this one before"
        )

    console.print(f'\n[bold]mark[/] (in the pixels, key "{escape(key)}")')
    evidence, chance = found(frames, key)
    least = "less than 1e-99" if chance < 1e-99 else f"at most {chance:.1g}"
    certainty = (
        f"evidence {evidence:.1f}; a picture without it has as much with a chance of {least}"
    )
    if chance <= SURE:
        console.print(f"  [bold]found[/], as good as certain: {certainty}")
    elif chance <= LIKELY:
        console.print(f"  likely, not certain: {certainty}")
    else:
        console.print(f"  not found: {certainty}. That does not show that there never was one")

    if of is not None:
        console.print(f"\n[bold]run[/] {escape(str(of))}")
        console.print(f"  {_compared(fields, of)}")
    return 0 if fields or chance <= SURE else 1


def _compared(fields: dict[str, str], path: Path) -> str:
    """Whether the origin names a checkpoint of the run."""
    run = Run.open(path)
    generator, step = load_generator(run, run.config())
    origin = run.origin(run.config().seed, step, generator)
    if not fields:
        return "the picture says nothing that could be compared"
    if fields.get("Checkpoint") == weights_checksum(generator):
        return f"the checkpoint of step {step} has exactly the weights that the origin names"
    if fields.get("Run") == origin.run:
        return (
            f"the origin names this run, and other weights than those of step {step}: it is of "
            "another step, or the run has been trained anew"
        )
    return "the origin names another run"
