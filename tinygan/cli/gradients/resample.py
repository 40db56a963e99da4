"""Rows of the gradient table: interpolation, pixel shuffle, unfold and fold."""

from functools import partial
from typing import Any

from tinygan.cli.gradients.table import normal, row
from tinygan.ops.columns import fold, unfold
from tinygan.ops.resample import fir_resample, interpolate, pixel_shuffle, pixel_unshuffle

_image = normal(2, 3, 3, 4)
for _mode, _align_corners in (
    *(("bilinear", False), ("bilinear", True)),
    *(("bicubic", False), ("bicubic", True), ("nearest", None)),
):
    for _options in ({"size": (5, 3)}, {"scale_factor": 2}, {"scale_factor": (0.7, 1.5)}):
        row(
            "interpolate",
            partial(interpolate, mode=_mode, align_corners=_align_corners, **_options),
            _image,
        )
row("interpolate", partial(interpolate, size=7, mode="linear"), normal(2, 3, 4))
row("interpolate", partial(interpolate, size=(2, 3), mode="area"), _image)
row("interpolate", partial(interpolate, size=(5, 2), mode="nearest-exact"), _image)
row("fir_resample", partial(fir_resample, taps=(1, 3, 3, 1), up=2), _image)
row("fir_resample", partial(fir_resample, taps=(1, 3, 3, 1), down=2), normal(2, 3, 4, 6), order=3)
row("fir_resample", partial(fir_resample, taps=(1, 2, -3, 4), up=2, down=3), normal(2, 3, 3, 6))
row("pixel_shuffle", partial(pixel_shuffle, upscale_factor=2), normal(2, 4, 2, 3))
row("pixel_unshuffle", partial(pixel_unshuffle, downscale_factor=2), normal(2, 1, 4, 6))
_windows: dict[str, Any] = dict(kernel_size=(3, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1))
row("unfold", partial(unfold, kernel_size=2), normal(2, 3, 4, 3))
row("unfold", partial(unfold, **_windows), normal(2, 2, 4, 5))
row("fold", partial(fold, output_size=(4, 3), kernel_size=2), normal(2, 8, 6))
row("fold", partial(fold, output_size=(4, 5), **_windows), normal(2, 12, 6))
