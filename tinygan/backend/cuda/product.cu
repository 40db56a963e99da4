// y = f(x w + bias) for batches of matrices with any strides.
#include "gemm.cuh"

struct Evenly {
    long long step;
    __device__ long long operator()(int row) const { return row * step; }
};

// The same as LAYOUT in product.py. Steps are in numbers, by batch, row and column.
struct Layout {
    long long x[3], w[3], y[3], bias[2];  // of the bias, by row and column
    int height, depth, width, parts;
};

// Quads run the way that numbers do.
template <typename T>
__device__ Matrix<T> factor(const T* numbers, const long long* steps, int along, int size,
                            int depth, int batch) {
    long long deep = steps[along], step = steps[3 - along];
    bool deep_quads = deep == 1 || step != 1;
    bool whole = (deep_quads ? depth : size) % 4 == 0 &&
        aligned(numbers, deep_quads ? deep : step, deep_quads ? step : deep, steps[0]);
    return {numbers + batch * steps[0], int(step), int(deep), size, depth, deep_quads, whole};
}

template <typename T, int TILE, int TENSOR>
__global__ void __launch_bounds__(Tile<TILE>::threads, RESIDENT<T, Tile<TILE>, TENSOR>)
product(const T* x, const T* w, T* y, const T* bias, int biased, int activation, T slope,
        const __grid_constant__ Layout at, T* sums) {
    using Shape = Tile<TILE>;
    int batch = blockIdx.z / at.parts, part = blockIdx.z % at.parts;
    int tile = (batch * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    __shared__ Factors<Matrix<T>, Matrix<T>> factors;
    if (threadIdx.x == 0) {
        factors.left = factor(x, at.x, 2, at.height, at.depth, batch);
        factors.right = factor(w, at.w, 1, at.width, at.depth, batch);
    }
    __syncthreads();
    Result<T, Evenly> result = {
        y + batch * at.y[0], {at.y[1]}, at.y[2], at.height, at.width,
        aligned(y, at.y[2], at.y[1], at.y[0]), biased ? bias : nullptr, at.bias[0], at.bias[1],
        activation, slope};
    product_tile<T, Shape, TENSOR>(
        factors, result, blockIdx.x * Shape::rows, blockIdx.y * Shape::columns, at.depth,
        Parts<T>{part, at.parts, sums, tile});
}
