"""Every differentiable op, one file per family: definition, derivative, kernels.

What a family offers stands in its `__all__`.
"""

from tinygan.ops import methods as _methods
from tinygan.ops.activations import *
from tinygan.ops.angles import *
from tinygan.ops.batch_norm import *
from tinygan.ops.columns import *
from tinygan.ops.comparison import *
from tinygan.ops.conversion import *
from tinygan.ops.convolution import *
from tinygan.ops.creation import *
from tinygan.ops.dropout import *
from tinygan.ops.einsum import *
from tinygan.ops.elementwise import *
from tinygan.ops.extremes import *
from tinygan.ops.gather import *
from tinygan.ops.generator import *
from tinygan.ops.indexing import *
from tinygan.ops.joins import *
from tinygan.ops.legacy import *
from tinygan.ops.linalg import *
from tinygan.ops.lookup import *
from tinygan.ops.normalization import *
from tinygan.ops.padding import *
from tinygan.ops.pooling import *
from tinygan.ops.random import *
from tinygan.ops.random_inplace import *
from tinygan.ops.rearrange import *
from tinygan.ops.rectifiers import *
from tinygan.ops.reductions import *
from tinygan.ops.resample import *
from tinygan.ops.shape import *
from tinygan.ops.softmax import *
from tinygan.ops.special import *
from tinygan.ops.unary import *

_methods.attach()
