// What the products of convolution are read from: images through windows, and weights.
#pragma once
#include "gemm.cuh"
#include "windows.cuh"

constexpr int NOWHERE = -(1 << 30);  // a row that no image has

// Rows are positions, the depth is taps (row, column) by channels: the image that is convolved.
template <typename T> struct Windows {
    const T* numbers;
    int image, channel, row, column;  // steps
    Positions positions;
    Axis y, x;
    bool aligned;
    Counter taps;  // row, column, channel

    struct Place { int first, y, x; };
    typedef Digits Depth;
    static constexpr bool one_place = false, one_depth = true;
    __device__ bool along_depth() const { return true; }
    __device__ Place place(int i) const {
        Pixel at = positions[i];
        return {at.image * image,
                i < positions.count() ? y.start + at.row * y.stride : NOWHERE,
                x.start + at.column * x.stride};
    }
    __device__ Depth start(int k) const { return taps.digits(k); }
    __device__ void advance(Depth& k, int) const { taps.add(k, taps.step); }
    __device__ void load(const Place& p, Depth k, T* quad) const {
        if (aligned) {
            int from = 0;
            bool there = pixel(p, k, from);
            load_quad_if(there, quad, numbers + (from + k.low));
            return;
        }
#pragma unroll
        for (int v = 0; v < 4; v++) {
            int from = 0;
            bool there = pixel(p, k, from);
            quad[v] = there ? __ldg(numbers + from + k.low * channel) : T(0);
            taps.add(k, {0, 0, 1});
        }
    }
    __device__ bool pixel(const Place& p, Digits k, int& from) const {  // whether there is one
        int i = p.y + k.high * y.step, j = p.x + k.middle * x.step;
        from = int(p.first + unsigned(i) * row + unsigned(j) * column);  // without a pixel: any
        return k.high < y.taps && unsigned(i) < y.size && unsigned(j) < x.size;
    }
};

// Rows (or columns) are taps by channels, the depth is positions: the same image for the gradient
// by the weights.
template <typename T> struct WindowsOfTaps {
    const T* numbers;
    int image, channel, row, column;  // steps
    int images;
    Axis y, x;
    int channels;
    bool aligned;
    Counter positions;  // image, row, column

    struct Place { int first, i, y, x; };
    typedef Digits Depth;
    static constexpr bool one_place = true, one_depth = false;
    __device__ bool along_depth() const { return false; }
    __device__ Place place(int i) const {
        int tap = i / channels;
        return {i % channels * channel, i,
                tap / x.taps < y.taps ? y.start + tap / x.taps * y.step : NOWHERE,
                x.start + tap % x.taps * x.step};
    }
    __device__ Depth start(int k) const { return positions.digits(k); }
    __device__ void advance(Depth& k, int) const { positions.add(k, positions.step); }
    __device__ void load(const Place& p, Depth k, T* quad) const {
        if (aligned) {
            int from = 0;
            bool there = pixel(p, k, from);
            load_quad_if(there, quad, numbers + from);
            return;
        }
#pragma unroll
        for (int v = 0; v < 4; v++) {
            int from = 0;
            bool there = pixel(place(p.i + v), k, from);
            quad[v] = there ? __ldg(numbers + from) : T(0);
        }
    }
    __device__ bool pixel(const Place& p, Digits k, int& from) const {  // whether there is one
        int i = p.y + k.middle * y.stride, j = p.x + k.low * x.stride;
        from = int(p.first + unsigned(k.high) * image + unsigned(i) * row + unsigned(j) * column);
        return k.high < images && unsigned(i) < y.size && unsigned(j) < x.size;
    }
};

// A matrix whose depth is counted by three digits, each with a step of its own: weights by taps and
// channels, or images by positions.
template <typename T> struct Counted {
    const T* numbers;
    int step, high, middle, low;
    int size, most;  // columns, values of the first digit
    bool aligned;
    Counter counter;

    typedef int Place;
    typedef Digits Depth;
    static constexpr bool one_place = true, one_depth = false;
    __device__ bool along_depth() const { return false; }
    __device__ Place place(int i) const { return i; }
    __device__ Depth start(int k) const { return counter.digits(k); }
    __device__ void advance(Depth& k, int) const { counter.add(k, counter.step); }
    __device__ void load(Place i, Depth k, T* quad) const {
        const T* from = numbers + (k.high * high + k.middle * middle + k.low * low + i * step);
        int here = k.high < most ? size - i : 0;
        if (aligned && here >= 4) {
            load_quad(quad, from);
        } else {
#pragma unroll
            for (int v = 0; v < 4; v++) quad[v] = v < here ? __ldg(from + v * step) : T(0);
        }
    }
};
