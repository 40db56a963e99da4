"""The switches that scripts written for PyTorch set, as in `cudnn.benchmark = True`.

They are there to be set: kernels follow from shapes alone and give the same bits every time, with
nothing to try out first. Who wants cuDNN's convolutions asks for them: `tinygan.allow_cudnn(True)`.
"""

benchmark = False
deterministic = True
