"""Found by Python when it starts with this folder in PYTHONPATH: see software_gpu.py."""

import os
import traceback

import software_gpu

try:
    software_gpu.start()
except BaseException:  # Python would go on without
    traceback.print_exc()
    os._exit(1)
