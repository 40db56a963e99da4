"""Several processes that train one model together, each on its share of every batch.

mpiexec -n 4 python script.py

tinygan.distributed.init_process_group()
...
loss.backward()
tinygan.distributed.average_gradients(model.parameters())
optimizer.step()
"""

from tinygan.distributed.communicator import Communicator
from tinygan.distributed.functions import (
    all_reduce,
    average_gradients,
    averaged,
    broadcast,
    mean_over_ranks,
)
from tinygan.distributed.group import (
    barrier,
    get_rank,
    get_world_size,
    init_process_group,
    world,
)

__all__ = [
    "Communicator",
    "all_reduce",
    "average_gradients",
    "averaged",
    "barrier",
    "broadcast",
    "get_rank",
    "get_world_size",
    "init_process_group",
    "mean_over_ranks",
    "world",
]
