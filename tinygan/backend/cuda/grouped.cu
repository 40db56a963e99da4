// Convolution of many groups of few channels, depthwise above all: a tile of a product would be
// nearly empty. Threads side by side have channels that lie side by side.
#include "gemm.cuh"
#include "windows.cuh"

// The axis of a pixel that is written, with only that position and the taps that meet something.
__device__ inline Axis axis_of(const Geometry& g, int d, int pixel) {
    int phase = g.transposed ? pixel % g.stride[d] : 0;
    int position = g.transposed ? pixel / g.stride[d] : pixel;
    Axis axis = g.transposed ? phase_axis(g, d, phase) : forward_axis(g, d);
    axis.narrow(position, position);
    axis.start += position * axis.stride;
    return axis;
}

template <typename T>
__global__ void __launch_bounds__(256, 4)
grouped(const T* x, const T* w, T* y, const T* bias, int biased, int activation, T slope,
        const __grid_constant__ Geometry g, int rounding) {
    int channels = g.groups * g.written;
    int i = blockIdx.x * blockDim.x + threadIdx.x, position = i / channels, channel = i % channels;
    if (position >= g.images * g.y_size[0] * g.y_size[1]) return;
    int column = position % g.y_size[1], row = position / g.y_size[1] % g.y_size[0];
    int image = position / g.y_size[1] / g.y_size[0], group = channel / g.written;
    Axis rows = axis_of(g, 0, row), columns = axis_of(g, 1, column);
    x += image * g.x[0] + group * g.read * g.x[1];
    w += group * g.w[0] + channel % g.written * g.w[1];
    T sum = 0;
    for (int a = 0; a < rows.taps; a++)
        for (int b = 0; b < columns.taps; b++) {
            const T* from = x + (rows.start + a * rows.step) * g.x[2] +
                            (columns.start + b * columns.step) * g.x[3];
            const T* weights = w + (rows.tap + a * rows.tap_apart) * g.w[3] +
                               (columns.tap + b * columns.tap_apart) * g.w[4];
            for (int c = 0; c < g.read; c++)
                sum += as_factor(from[c * g.x[1]], rounding) *
                       as_factor(weights[c * g.w[2]], rounding);
        }
    if (biased) sum += bias[channel];
    y[image * g.y[0] + channel * g.y[1] + row * g.y[2] + column * g.y[3]] =
        activated(sum, activation, slope);
}

template <typename T> struct OneSum {
    static constexpr int count = 1;
    T numbers[1];
};

// A block: 32 channels that are written, a tap and a channel that is read; 8 warps share the pixels
// of its part.
template <typename T>
__global__ void __launch_bounds__(256, 4)
grouped_weight_gradient(const T* x, const T* y, T* w, const __grid_constant__ Geometry g, T* sums,
                        int parts, int rounding) {
    int part = blockIdx.z % parts, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int channel = blockIdx.x * 32 + lane, group = channel / g.written;
    int c = blockIdx.y % g.read, tap = blockIdx.y / g.read;
    int a = tap / g.kernel[1], b = tap % g.kernel[1];
    Axis rows = forward_axis(g, 0), columns = forward_axis(g, 1);
    int pixels = g.images * rows.count * columns.count;
    int begin = begin_of(pixels, part, parts), end = begin_of(pixels, part + 1, parts);
    Counter positions = counter(rows.count, columns.count, 8);
    OneSum<T> sum = {};
    if (channel < g.groups * g.written) {
        x += (group * g.read + c) * g.x[1];
        y += channel * g.y[1];
        Digits at = positions.digits(begin + warp);
        for (int i = begin + warp; i < end; i += 8, positions.add(at, positions.step)) {
            int row = rows.start + at.middle * rows.stride + a * rows.step;
            int column = columns.start + at.low * columns.stride + b * columns.step;
            if (unsigned(row) < rows.size && unsigned(column) < columns.size)
                sum.numbers[0] +=
                    as_factor(x[at.high * g.x[0] + row * g.x[2] + column * g.x[3]], rounding) *
                    as_factor(y[at.high * g.y[0] + at.middle * g.y[2] + at.low * g.y[3]], rounding);
        }
    }
    __shared__ T of_warps[8][32];
    of_warps[warp][lane] = sum.numbers[0];
    __syncthreads();
    for (int other = 1; warp == 0 && other < 8; other++) sum.numbers[0] += of_warps[other][lane];
    int tile = blockIdx.y * gridDim.x + blockIdx.x;
    if (parts > 1 && !complete(sum, Parts<T>{part, parts, sums, tile})) return;
    if (warp == 0 && channel < g.groups * g.written)
        w[group * g.w[0] + channel % g.written * g.w[1] + c * g.w[2] + a * g.w[3] + b * g.w[4]] =
            sum.numbers[0];
}
