// What the products of convolution are read from: images through windows, and weights.
#pragma once
#include "gemm.cuh"
#include "windows.cuh"

constexpr int NOWHERE = -2147483647 - 1;  // an offset that no number has

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
                i < positions.count() ? y.start + at.row * y.stride : NOWHERE / 2,  // no pixel
                x.start + at.column * x.stride};
    }
    __device__ Depth start(int k) const { return taps.digits(k); }
    __device__ void advance(Depth& k, int) const { taps.add(k, taps.step); }
    __device__ void load(const Place& p, Depth k, T* quad) const {
        if (aligned) {
            int from = pixel(p, k);
            if (from != NOWHERE) load_quad(quad, numbers + from + k.low);
            else quad[0] = quad[1] = quad[2] = quad[3] = T(0);
            return;
        }
#pragma unroll
        for (int v = 0; v < 4; v++) {
            int from = pixel(p, k);
            quad[v] = from != NOWHERE ? __ldg(numbers + from + k.low * channel) : T(0);
            taps.add(k, {0, 0, 1});
        }
    }
    __device__ int pixel(const Place& p, Digits k) const {
        int i = p.y + k.high * y.step, j = p.x + k.middle * x.step;
        bool seen = k.high < y.taps && unsigned(i) < y.size && unsigned(j) < x.size;
        return seen ? p.first + i * row + j * column : NOWHERE;
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
                tap / x.taps < y.taps ? y.start + tap / x.taps * y.step : NOWHERE / 2,  // no pixel
                x.start + tap % x.taps * x.step};
    }
    __device__ Depth start(int k) const { return positions.digits(k); }
    __device__ void advance(Depth& k, int) const { positions.add(k, positions.step); }
    __device__ void load(const Place& p, Depth k, T* quad) const {
        if (aligned) {
            int from = pixel(p, k);
            if (from != NOWHERE) load_quad(quad, numbers + from);
            else quad[0] = quad[1] = quad[2] = quad[3] = T(0);
            return;
        }
#pragma unroll
        for (int v = 0; v < 4; v++) {
            int from = pixel(place(p.i + v), k);
            quad[v] = from != NOWHERE ? __ldg(numbers + from) : T(0);
        }
    }
    __device__ int pixel(const Place& p, Digits k) const {
        int i = p.y + k.middle * y.stride, j = p.x + k.low * x.stride;
        bool seen = k.high < images && unsigned(i) < y.size && unsigned(j) < x.size;
        return seen ? p.first + k.high * image + i * row + j * column : NOWHERE;
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
        const T* from = numbers + k.high * high + k.middle * middle + k.low * low + i * step;
        int here = k.high < most ? size - i : 0;
        if (aligned && here >= 4) {
            load_quad(quad, from);
        } else {
#pragma unroll
            for (int v = 0; v < 4; v++) quad[v] = v < here ? __ldg(from + v * step) : T(0);
        }
    }
};
