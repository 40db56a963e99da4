// Resampling of images N H W C by a matrix for each direction, most of whose numbers are 0.
#include "packs.cuh"

const int THREADS = 256;

template <typename T> struct Matrix {
    const T* numbers;
    int row_step, column_step;

    __device__ T at(int row, int column) const {
        return numbers[row * row_step + column * column_step];
    }
};

struct Band { int first, end; };

// From where to where the numbers in a row are that are not 0, found by a warp.
template <typename T> __device__ Band band_of(Matrix<T> matrix, int row, int columns) {
    Band band = {columns, 0};
    for (int k = threadIdx.x % 32; k < columns; k += 32)
        if (matrix.at(row, k) != T(0)) {
            band.first = min(band.first, k);
            band.end = k + 1;
        }
    for (int apart = 16; apart; apart /= 2) {
        band.first = min(band.first, __shfl_xor_sync(~0u, band.first, apart));
        band.end = max(band.end, __shfl_xor_sync(~0u, band.end, apart));
    }
    return band;
}

template <typename T>
__global__ void __launch_bounds__(THREADS)
    bands(
        const T* down, int down_row, int down_column, int rows, int height, const T* across,
        int across_row, int across_column, int columns, int width, int* found
    ) {
    int i = (blockIdx.x * THREADS + threadIdx.x) / 32;
    if (i >= rows + columns) return;
    Band band = i < rows ? band_of(Matrix<T>{down, down_row, down_column}, i, height)
                         : band_of(Matrix<T>{across, across_row, across_column}, i - rows, width);
    if (threadIdx.x % 32 == 0) {
        found[2 * i] = band.first;
        found[2 * i + 1] = band.end;
    }
}

// y[n, i, j, c] = sum_w across[j, w] sum_h down[i, h] x[n, h, w, c], within the bands.
template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 3)
    separable(
        const T* x, const T* down, int down_row, int down_column, int rows, int height,
        const T* across, int across_row, int across_column, int columns, int width,
        const int* found, int packs, unsigned size, T* y
    ) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    unsigned index = blockIdx.x * THREADS + threadIdx.x;
    if (index >= size) return;
    unsigned c = index % packs, pixel = index / packs;
    int j = pixel % columns, i = pixel / columns % rows, image = pixel / columns / rows;
    Matrix<T> rows_of{down, down_row, down_column}, columns_of{across, across_row, across_column};
    Band lines{found[2 * i], found[2 * i + 1]};
    Band places{found[2 * (rows + j)], found[2 * (rows + j) + 1]};
    T total[V] = {};
    for (int w = places.first; w < places.end; w++) {
        T column[V] = {}, xs[V], weight = columns_of.at(j, w);
        for (int h = lines.first; h < lines.end; h++) {
            long long line = (long long)image * height + h;
            load<V>(x + ((line * width + w) * packs + c) * V, xs);
            T share = rows_of.at(i, h);
            for (int v = 0; v < V; v++) column[v] += share * xs[v];
        }
        for (int v = 0; v < V; v++) total[v] += weight * column[v];
    }
    store<V>(total, y + (long long)index * V);
}
