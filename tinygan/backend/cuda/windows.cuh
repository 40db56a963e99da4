// Convolution as a product: which pixels of an image meet which of the weights.
#pragma once

// The same as GEOMETRY in convolution.py. Pairs are (vertical, horizontal); steps are in numbers.
struct Geometry {
    int x[4];  // of the images that are read: image, channel, row, column
    int w[5];  // of the weights: group, channel written, channel read, row, column
    int y[4];  // of the images that are written
    int x_size[2], y_size[2], kernel[2], stride[2], padding[2], dilation[2];
    int common[2], inverse[2];  // see phase_axis
    int images, groups, read, written;  // the last two: channels of a group
    int transposed;    // y is the gradient of the image that was convolved, x that of the result
    int images_first;  // whether rows of the product are one pixel of all images, then the next
};

// One dimension: position p of the result meets, with tap t, pixel  start + p * stride + t * step.
struct Axis {
    int size;                 // pixels
    int count;                // positions; p is at first + p * apart in the result
    int first, apart;
    int start, stride, step;
    int taps, tap, tap_apart; // t is number tap + t * tap_apart of the weights

    // Only the taps that meet a pixel from some position between two, which are consecutive.
    __device__ void narrow(int from, int to) {
        int low = start + from * stride, high = start + to * stride, length = abs(step);
        int below = step > 0 ? -high : low - (size - 1), above = step > 0 ? size - 1 - low : high;
        int skipped = below > 0 ? (below + length - 1) / length : 0;
        int end = above < 0 ? 0 : min(taps, above / length + 1);
        taps = max(end - skipped, 0);
        start += skipped * step;
        tap += skipped * tap_apart;
    }
};

__device__ inline Axis forward_axis(const Geometry& g, int d) {
    return {g.x_size[d], g.y_size[d], 0, 1, -g.padding[d], g.stride[d], g.dilation[d],
            g.kernel[d], 0, 1};
}

// Of a transposed convolution: position q meets pixel p with tap t if p stride + t dilation = q +
// padding. Positions that are a stride apart, a phase, meet the same taps: those that leave a
// multiple of the stride, every so many of them. For a phase it is a convolution without gaps.
// `common` is what divides stride and dilation both; without it, dilation times `inverse` leaves 1
// of the stride.
__device__ inline Axis phase_axis(const Geometry& g, int d, int phase) {
    int stride = g.stride[d], common = g.common[d];
    int apart = stride / common, dilation = g.dilation[d] / common;
    int shifted = (phase + g.padding[d]) / common, tap = shifted * g.inverse[d] % apart;
    if (tap < 0) tap += apart;  // padding below 0 cuts images
    bool none = shifted * common != phase + g.padding[d] || tap >= g.kernel[d];
    return {g.x_size[d], (g.y_size[d] - phase + stride - 1) / stride, phase, stride,
            none ? 0 : (shifted - tap * dilation) / apart, 1, -dilation,
            none ? 0 : (g.kernel[d] - tap + apart - 1) / apart, tap, apart};
}

__device__ inline int phases(const Geometry& g, int d) {
    return g.transposed ? min(g.stride[d], g.y_size[d]) : 1;
}

struct Pixel { int image, row, column; };

// Positions of all images in a row.
struct Positions {
    int images, rows, columns;
    bool images_first;

    __device__ int count() const { return images * rows * columns; }
    __device__ Pixel operator[](int i) const {
        int pixel = images_first ? i / images : i % (rows * columns);
        return {images_first ? i % images : i / (rows * columns), pixel / columns, pixel % columns};
    }
    // The rows and columns that the positions from one to another are in, of which neighbours are
    // one pixel of all images.
    __device__ void narrow(Axis& y, Axis& x, int from, int to) const {
        Pixel first = (*this)[from], last = (*this)[to];
        if (first.row != last.row) first.column = 0, last.column = columns - 1;
        y.narrow(first.row, last.row);
        x.narrow(first.column, last.column);
    }
};

// A number that is counted up by a fixed step, as three digits: no division after the first.
struct Digits { int high, middle, low; };
struct Counter {
    int middle, low;  // how many values the digits have
    Digits step;

    __device__ Digits digits(int n) const { return {n / low / middle, n / low % middle, n % low}; }
    __device__ void add(Digits& n, Digits more) const {
        n.low += more.low;
        n.middle += more.middle;
        n.high += more.high;
        if (n.low >= low) n.low -= low, n.middle++;
        if (n.middle >= middle) n.middle -= middle, n.high++;
    }
};
__device__ inline Counter counter(int middle, int low, int by) {
    Counter result = {middle, low, {}};
    result.step = result.digits(by);
    return result;
}
