// How libraries of CUDA's put work into a stream: what is captured runs at every replay.
#pragma once
#include <cuda_runtime_api.h>

#include <functional>

using Work = std::function<void()>;
cudaError_t software_gpu_submit(cudaStream_t stream, Work work);
