"""Rows of the gradient table: the convolution trio, to order 3."""

from functools import partial
from typing import Any

from tinygan.cli.gradients.table import normal, row
from tinygan.ops.conv_trio import _conv2d, _conv2d_input_grad, _conv2d_weight_grad
from tinygan.ops.convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d

# input size, output size, kernel; then how one leads to the other
_GEOMETRIES = [
    ((4, 3), (3, 2), (2, 2), dict(stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1))),
    ((5, 4), (2, 2), (4, 4), dict(stride=(2, 2), padding=((1, 1), (1, 1)), dilation=(1, 1))),
    ((4, 4), (4, 4), (2, 4), dict(stride=(1, 1), padding=((0, 1), (1, 2)), dilation=(1, 1))),
    ((5, 6), (2, 4), (2, 2), dict(stride=(3, 1), padding=((1, 0), (0, 0)), dilation=(1, 2))),
    ((4, 5), (2, 3), (3, 2), dict(stride=(2, 2), padding=((2, -1), (1, 1)), dilation=(1, 2))),
]
_CHANNELS = [(2, 3, 1), (4, 2, 2), (2, 2, 2), (2, 4, 2)]  # in, out, groups

for _i, (_size, _count, _kernel, _geometry) in enumerate(_GEOMETRIES):
    for _c, _o, _groups in _CHANNELS if _i == 1 else _CHANNELS[: 1 + _i % 2]:
        _static = dict(_geometry, groups=_groups)
        _x, _w = normal(2, _c, *_size), normal(_o, _c // _groups, *_kernel)
        _g = normal(2, _o, *_count)
        row("conv2d", partial(_conv2d, **_static), _x, _w, normal(_o), order=3)
        row(
            "conv2d_input_grad",
            partial(_conv2d_input_grad, size=_size, **_static),
            _g,
            _w,
            normal(_c),
            order=3,
        )
        row(
            "conv2d_weight_grad",
            partial(_conv2d_weight_grad, kernel=_kernel, **_static),
            _x,
            _g,
            order=3,
        )

row("conv1d", partial(conv1d, stride=2, padding=1), normal(2, 2, 5), normal(3, 2, 3), normal(3))
row("conv1d", partial(conv1d, padding="same"), normal(2, 5), normal(3, 2, 2))
row("conv2d", partial(conv2d, padding="same", dilation=2), normal(2, 4, 5), normal(3, 2, 2, 3))
row(
    "conv_transpose1d",
    partial(conv_transpose1d, stride=2, padding=1, output_padding=1),
    normal(2, 2, 3),
    normal(2, 3, 3),
    normal(3),
)
_transposed: list[dict[str, Any]] = [
    dict(stride=2, padding=1, output_padding=1),
    dict(stride=(3, 2), padding=(0, 1), output_padding=(2, 0), groups=2),
    dict(stride=1, dilation=2, output_padding=1),
]
for _options in _transposed:
    row(
        "conv_transpose2d",
        partial(conv_transpose2d, **_options),
        normal(2, 4, 3, 2),
        normal(4, 1, 3, 2),
        normal(_options.get("groups", 1)),
        order=3,
    )
