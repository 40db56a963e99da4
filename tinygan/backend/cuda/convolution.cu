// Convolution, its transpose, and its gradient by the weights, as products that read images where
// they are.
#include "convolution.cuh"

struct Offset {
    const Row* rows;  // from the tile's first on
    __device__ int operator()(int i) const { return rows[i].offset; }
};

template <typename T, int TILE, int TENSOR>
__global__ void __launch_bounds__(Tile<TILE>::threads, RESIDENT<T, Tile<TILE>, TENSOR>)
convolution(const T* x, const T* w, T* y, const T* bias, int biased, int activation, T slope,
            const __grid_constant__ Geometry g, T* sums, int parts) {
    using Shape = Tile<TILE>;
    __shared__ Factors<Windows<T, Shape::rows, false>, Counted<T>> factors;
    int part = blockIdx.z % parts, group = blockIdx.z / parts % g.groups;
    int tile = (blockIdx.z / parts * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    int first = blockIdx.x * Shape::rows, read = g.read, width = g.written;
    if (threadIdx.x == 0) {
        int phase = blockIdx.z / parts / g.groups, across = phases(g, 1);
        Axis rows = g.transposed ? phase_axis(g, 0, phase / across) : forward_axis(g, 0);
        Axis columns = g.transposed ? phase_axis(g, 1, phase % across) : forward_axis(g, 1);
        Positions positions = {g.images, rows.count, columns.count, g.images_first != 0};
        int last = min(first + Shape::rows, positions.count()) - 1;
        if (g.images_first && first <= last) positions.narrow(rows, columns, first, last);
        Counter taps = counter(max(columns.taps, 1), read, PANEL<T, Shape, TENSOR>);
        const int *xs = g.x, *ws = g.w;
        const T *image = x + group * read * xs[1], *weights = w + group * ws[0];
        factors.left.image = {image, xs[0], xs[1], xs[2], xs[3], rows, columns,
                              read % 4 == 0 && aligned(image, xs[1], xs[0], xs[2], xs[3])};
        factors.left.counter = taps;
        factors.left.most = rows.taps;
        factors.right = {weights + rows.tap * ws[3] + columns.tap * ws[4], ws[1],
                     rows.tap_apart * ws[3], columns.tap_apart * ws[4], ws[2], width, rows.taps,
                     width % 4 == 0 && aligned(weights, ws[1], ws[2], ws[3], ws[4]), taps};
    }
    __syncthreads();
    const Axis &rows = factors.left.image.y, &columns = factors.left.image.x;
    Positions positions = {g.images, rows.count, columns.count, g.images_first != 0};
    int height = positions.count() - first;
    if (height <= 0) return;  // not all phases have as many
    int t = threadIdx.x;
    if (t < Shape::rows) {
        Pixel at = positions[first + t];
        int to = at.image * g.y[0] + (rows.first + at.row * rows.apart) * g.y[2] +
                 (columns.first + at.column * columns.apart) * g.y[3];
        Spot spot = factors.left.image.position(at);
        if (t >= height) spot.y = NOWHERE;
        factors.left.rows[t] = {spot, to};
    }
    __syncthreads();
    T* to = y + group * width * g.y[1];
    Result<T, Offset> result = {
        to, {factors.left.rows}, g.y[1], height, width,
        aligned(to, g.y[1], g.y[0], g.y[2], g.y[3]),
        biased ? bias + group * width : nullptr, 0, 1, activation, slope};
    product_tile<T, Shape, TENSOR>(factors, result, 0, blockIdx.y * Shape::columns,
                                   rows.taps * columns.taps * read,
                                   Parts<T>{part, parts, sums, tile});
}

template <typename T, int TILE, int TENSOR>
__global__ void __launch_bounds__(Tile<TILE>::threads, RESIDENT<T, Tile<TILE>, TENSOR>)
weight_gradient(const T* x, const T* y, T* w, const __grid_constant__ Geometry g, T* sums,
                int parts) {
    using Shape = Tile<TILE>;
    int part = blockIdx.z % parts, group = blockIdx.z / parts;
    int tile = (group * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    Axis rows = forward_axis(g, 0), columns = forward_axis(g, 1);
    int read = g.read, width = g.written, depth = g.images * rows.count * columns.count;
    int first = blockIdx.x * Shape::rows, height = rows.taps * columns.taps * read - first;
    __shared__ Factors<Windows<T, Shape::rows, true>, Counted<T>> factors;
    const int *xs = g.x, *ys = g.y, *ws = g.w;
    const T *image = x + group * read * xs[1], *gradient = y + group * width * ys[1];
    Image<T> images = {image, xs[0], xs[1], xs[2], xs[3], rows, columns,
                       read % 4 == 0 && aligned(image, xs[1], xs[0], xs[2], xs[3])};
    int t = threadIdx.x;
    if (t == 0) {
        Counter positions = counter(rows.count, columns.count, PANEL<T, Shape, TENSOR>);
        factors.left.image = images;
        factors.left.counter = positions;
        factors.left.most = g.images;
        factors.right = {gradient, ys[1], ys[0], ys[2], ys[3], width, g.images,
                         width % 4 == 0 && aligned(gradient, ys[1], ys[0], ys[2], ys[3]),
                         positions};
    }
    if (t < Shape::rows) {
        int i = first + t, tap = i / read;
        Digits at = {tap / columns.taps, tap % columns.taps, i % read};
        Spot spot = images.tap(at);
        if (t >= height) spot.y = NOWHERE;
        factors.left.rows[t] = {spot, at.low * ws[2] + at.high * ws[3] + at.middle * ws[4]};
    }
    __syncthreads();
    Result<T, Offset> result = {w + group * ws[0], {factors.left.rows}, ws[1], height, width,
                                false, nullptr, 0, 0, 0, T(0)};
    product_tile<T, Shape, TENSOR>(factors, result, 0, blockIdx.y * Shape::columns, depth,
                                   Parts<T>{part, parts, sums, tile});
}
