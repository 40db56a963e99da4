// Convolution, its transpose, and its gradient by the weights, as products that read images where
// they are.
#include "convolution.cuh"

// The image that is written: the positions of a phase, and where they are in memory.
struct Written {
    Positions positions;
    Axis y, x;
};
struct Offset {
    const Written& written;
    const int* steps;
    __device__ int operator()(int i) const {
        Pixel at = written.positions[i];
        return at.image * steps[0] + (written.y.first + at.row * written.y.apart) * steps[2] +
               (written.x.first + at.column * written.x.apart) * steps[3];
    }
};

template <typename T, int TILE, int TENSOR>
__global__ void __launch_bounds__(Tile<TILE>::threads, RESIDENT<T, Tile<TILE>>)
convolution(const T* x, const T* w, T* y, const T* bias, int biased, int activation, T slope,
            const __grid_constant__ Geometry g, T* sums, int parts) {
    using Shape = Tile<TILE>;
    __shared__ Written written;
    __shared__ Factors<Windows<T>, Counted<T>> factors;
    int part = blockIdx.z % parts, group = blockIdx.z / parts % g.groups;
    int tile = (blockIdx.z / parts * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    int first = blockIdx.x * Shape::rows, read = g.read, width = g.written;
    if (threadIdx.x == 0) {
        int phase = blockIdx.z / parts / g.groups, across = phases(g, 1);
        Axis rows = g.transposed ? phase_axis(g, 0, phase / across) : forward_axis(g, 0);
        Axis columns = g.transposed ? phase_axis(g, 1, phase % across) : forward_axis(g, 1);
        Positions positions = {g.images, rows.count, columns.count, g.images_first != 0};
        written = {positions, rows, columns};
        int last = min(first + Shape::rows, positions.count()) - 1;
        if (first <= last) positions.narrow(rows, columns, first, last);
        Counter taps = counter(max(columns.taps, 1), read, PANEL<T, Shape, TENSOR>);
        const int *xs = g.x, *ws = g.w;
        const T *image = x + group * read * xs[1], *weights = w + group * ws[0];
        factors.left = {image, xs[0], xs[1], xs[2], xs[3], positions, rows, columns,
                    read % 4 == 0 && aligned(image, xs[1], xs[0], xs[2], xs[3]), taps};
        factors.right = {weights + rows.tap * ws[3] + columns.tap * ws[4], ws[1],
                     rows.tap_apart * ws[3], columns.tap_apart * ws[4], ws[2], width, rows.taps,
                     aligned(weights, ws[1], ws[2], ws[3], ws[4]), taps};
    }
    __syncthreads();
    int count = written.positions.count();
    if (first >= count) return;  // not all phases have as many
    int depth = factors.left.y.taps * factors.left.x.taps * read;
    T* to = y + group * width * g.y[1];
    Result<T, Offset> result = {
        to, {written, g.y}, g.y[1], count, width,
        aligned(to, g.y[1], g.y[0], g.y[2], g.y[3]),
        biased ? bias + group * width : nullptr, 0, 1, activation, slope};
    product_tile<T, Shape, TENSOR>(
        factors, result, first, blockIdx.y * Shape::columns, depth,
        Parts<T>{part, parts, sums, tile});
}

// Where a tap by a channel is among the weights.
struct Weight {
    int channels, columns;
    int channel, row, column;
    __device__ int operator()(int i) const {
        int tap = i / channels;
        return i % channels * channel + tap / columns * row + tap % columns * column;
    }
};

template <typename T, int TILE, int TENSOR>
__global__ void __launch_bounds__(Tile<TILE>::threads, RESIDENT<T, Tile<TILE>>)
weight_gradient(const T* x, const T* y, T* w, const __grid_constant__ Geometry g, T* sums,
                int parts) {
    using Shape = Tile<TILE>;
    int part = blockIdx.z % parts, group = blockIdx.z / parts;
    int tile = (group * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    Axis rows = forward_axis(g, 0), columns = forward_axis(g, 1);
    int read = g.read, width = g.written, depth = g.images * rows.count * columns.count;
    __shared__ Factors<WindowsOfTaps<T>, Counted<T>> factors;
    if (threadIdx.x == 0) {
        Counter positions = counter(rows.count, columns.count, PANEL<T, Shape, TENSOR>);
        const int *xs = g.x, *ys = g.y;
        const T *image = x + group * read * xs[1], *gradient = y + group * width * ys[1];
        factors.left = {image, xs[0], xs[1], xs[2], xs[3], g.images, rows, columns, read,
                        read % 4 == 0 && aligned(image, xs[1], xs[0], xs[2], xs[3]), positions};
        factors.right = {gradient, ys[1], ys[0], ys[2], ys[3], width, g.images,
                         aligned(gradient, ys[1], ys[0], ys[2], ys[3]), positions};
    }
    __syncthreads();
    Weight weight = {read, columns.taps, g.w[2], g.w[3], g.w[4]};
    Result<T, Weight> result = {
        w + group * g.w[0], weight, g.w[1], rows.taps * columns.taps * read, width,
        false, nullptr, 0, 0, 0, T(0)};
    product_tile<T, Shape, TENSOR>(
        factors, result, blockIdx.x * Shape::rows, blockIdx.y * Shape::columns, depth,
        Parts<T>{part, parts, sums, tile});
}
