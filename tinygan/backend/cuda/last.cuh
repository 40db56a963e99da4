// Which block of a launch is the last: what the others have read, it may change.
#pragma once

// Blocks that are done; 0 again after the launch. Launches of a kernel follow one another.
static __device__ unsigned blocks_done;

// Whether all other blocks have called it before, for all threads of the block.
__device__ inline bool is_last_block() {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        last = atomicAdd(&blocks_done, 1u) == gridDim.x - 1;
        if (last) blocks_done = 0;
    }
    __syncthreads();
    return last;
}
