"""DataParallel, for scripts that wrap their networks in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygan.nn.module import Module


class DataParallel(Module):
    """A module on its one device, under the name `module`: what PyTorch's is without several GPUs.

    Parameters have the names "module.weight", ..., so files fit. More than one device is an error:
    processes that train together are those of `tinygan.distributed`.
    """

    def __init__(self, module: Module, device_ids: Sequence[Any] | None = None) -> None:
        super().__init__()
        if device_ids is not None and len(device_ids) > 1:
            raise ValueError(
                f"DataParallel: got {len(device_ids)} devices, expected one; several GPUs are used "
                "by several processes (mpiexec -n 4 tinygan train --distributed)"
            )
        self.module = module

    def forward(self, *inputs: Any, **keywords: Any) -> Any:
        return self.module(*inputs, **keywords)
