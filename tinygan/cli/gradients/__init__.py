"""The gradient table, one module per family of ops."""

import importlib
import pkgutil

from tinygan.cli.gradients.table import TABLE, Row

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["TABLE", "Row"]
