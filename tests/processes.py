"""Run Python in several processes that mpiexec starts; skipped where that cannot be."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import PATIENCE, environment

SETTINGS = {  # of Open MPI: in a container we are root, and a machine may have few cores
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}


@functools.cache
def mpiexec() -> str | None:
    """The command that starts processes, if it does and they find each other."""
    beside = Path(sys.executable).parent / "mpiexec"
    command = str(beside) if beside.exists() else shutil.which("mpiexec")
    if command is None:
        return None
    code = "from mpi4py import MPI; assert MPI.COMM_WORLD.size == 2"
    trial = subprocess.run(
        [command, "-n", "2", sys.executable, "-c", code], capture_output=True, env=_environment()
    )
    return None if trial.returncode else command


def _environment() -> dict[str, str]:
    return {**environment(), **SETTINGS}


def run(ranks: int, *arguments: Any, code: int = 0, others: list[Any] | None = None) -> str:
    """What `python ARGUMENTS` prints in so many processes, the last with `others` if given."""
    command = mpiexec()
    if command is None:
        pytest.skip("needs mpi4py and mpiexec")
    python = [sys.executable, *map(str, arguments)]
    line = [command, "-n", str(ranks if others is None else ranks - 1), *python]
    if others is not None:
        line += [":", "-n", "1", sys.executable, *map(str, others)]
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=PATIENCE, env=_environment()
    )
    text = done.stdout + done.stderr
    assert done.returncode == code, f"exit code {done.returncode}\n{text}"
    return text
