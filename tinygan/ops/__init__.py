"""Every differentiable op, one file per family: definition, derivative, kernels."""

from tinygan.ops import methods as _methods
import importlib as _importlib

from tinygan.ops.activations import *  # noqa: F403
from tinygan.ops.batch_norm import *  # noqa: F403
from tinygan.ops.columns import *  # noqa: F403
from tinygan.ops.comparison import *  # noqa: F403
from tinygan.ops.conversion import *  # noqa: F403
from tinygan.ops.convolution import *  # noqa: F403
from tinygan.ops.creation import *  # noqa: F403
from tinygan.ops.dropout import *  # noqa: F403
from tinygan.ops.einsum import *  # noqa: F403
from tinygan.ops.elementwise import *  # noqa: F403
from tinygan.ops.extremes import *  # noqa: F403
from tinygan.ops.gather import *  # noqa: F403
from tinygan.ops.generator import *  # noqa: F403
from tinygan.ops.indexing import *  # noqa: F403
from tinygan.ops.joins import *  # noqa: F403
from tinygan.ops.linalg import *  # noqa: F403
from tinygan.ops.lookup import *  # noqa: F403
from tinygan.ops.normalization import *  # noqa: F403
from tinygan.ops.padding import *  # noqa: F403
from tinygan.ops.pooling import *  # noqa: F403
from tinygan.ops.random import *  # noqa: F403
from tinygan.ops.random_inplace import *  # noqa: F403
from tinygan.ops.rearrange import *  # noqa: F403
from tinygan.ops.reductions import *  # noqa: F403
from tinygan.ops.resample import *  # noqa: F403
from tinygan.ops.shape import *  # noqa: F403
from tinygan.ops.softmax import *  # noqa: F403
from tinygan.ops.special import *  # noqa: F403
from tinygan.ops.unary import *  # noqa: F403

_methods.attach()

_importlib.import_module("tinygan.ops.methods")  # last: it attaches what is imported above
