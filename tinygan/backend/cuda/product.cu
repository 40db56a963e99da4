// y = f(x w + bias) for batches of matrices with any strides.
#include "gemm.cuh"

struct Evenly {
    long long step;
    __device__ long long operator()(int row) const { return row * step; }
};

template <typename T, int TILE, int TENSOR>
__global__ void __launch_bounds__(Tile<TILE>::threads, RESIDENT<T, Tile<TILE>>)
product(
    const T* x, long long x_batch, long long x_row, long long x_column,
    const T* w, long long w_batch, long long w_row, long long w_column,
    T* y, long long y_batch, long long y_row, long long y_column,
    const T* bias, int biased, long long bias_row, long long bias_column, int activation, T slope,
    int height, int depth, int width, T* sums, int parts) {
    using Shape = Tile<TILE>;
    int batch = blockIdx.z / parts, part = blockIdx.z % parts;
    int tile = (batch * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    __shared__ Factors<Matrix<T>, Matrix<T>> factors;
    if (threadIdx.x == 0) {
        bool x_along = x_column == 1 || x_row != 1, w_along = w_row == 1 && w_column != 1;
        factors.left = {
            x + batch * x_batch, x_row, x_column, height, depth, x_along,
            aligned(x, x_along ? x_column : x_row, x_along ? x_row : x_column, x_batch)};
        factors.right = {
            w + batch * w_batch, w_column, w_row, width, depth, w_along,
            aligned(w, w_along ? w_row : w_column, w_along ? w_column : w_row, w_batch)};
    }
    __syncthreads();
    Result<T, Evenly> result = {y + batch * y_batch, {y_row}, y_column, height, width,
                                aligned(y, y_column, y_row, y_batch), biased ? bias : nullptr,
                                bias_row, bias_column, activation, slope};
    product_tile<T, Shape, TENSOR>(
        factors, result, blockIdx.x * Shape::rows, blockIdx.y * Shape::columns,
        (depth + DEPTH<T> - 1) / DEPTH<T>, Parts<T>{part, parts, sums, tile});
}
