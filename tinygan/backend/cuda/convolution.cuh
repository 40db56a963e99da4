// What the products of convolution are read from: images through windows, and weights.
#pragma once
#include "gemm.cuh"
#include "windows.cuh"

constexpr int NOWHERE = -(1 << 30);  // a row that no image has

// A pixel is where a position and a tap say together: their sums are its place among the numbers,
// its row and its column.
struct Spot { unsigned first; int y, x; };

// Images that are read through windows.
template <typename T> struct Image {
    const T* numbers;
    int image, channel, row, column;  // steps
    Axis y, x;
    bool aligned;

    __device__ Spot spot(int y, int x, unsigned first) const {
        return {first + unsigned(y) * row + unsigned(x) * column, y, x};
    }
    __device__ Spot position(Pixel p) const {
        return spot(y.start + p.row * y.stride, x.start + p.column * x.stride,
                    unsigned(p.image) * image);
    }
    __device__ Spot tap(Digits t) const {  // its row, its column, a channel
        return spot(t.high * y.step, t.middle * x.step, t.low * channel);
    }
    __device__ bool exists(Spot a, Spot b) const {
        return unsigned(a.y + b.y) < y.size && unsigned(a.x + b.x) < x.size;
    }
    __device__ const T* at(Spot a, Spot b) const { return numbers + int(a.first + b.first); }
    __device__ void load_quad(Spot a, Spot b, T* quad) const {
        ::load_quad(exists(a, b), quad, at(a, b));
    }
    __device__ T number(Spot a, Spot b) const { return exists(a, b) ? __ldg(at(a, b)) : T(0); }
};

// A row of the tile: where it is read, and where it is written. Each is looked up once, by a thread
// of its own, as that takes divisions.
struct Row { Spot spot; int offset; };

// Rows are positions and the depth is taps by channels, or, for the gradient by the weights
// (OF_TAPS), the other way round.
template <typename T, int ROWS, bool OF_TAPS> struct Windows {
    Image<T> image;
    Counter counter;  // of the depth: row, column, channel of taps, or image, row, column
    int most;  // values of the first digit
    Row rows[ROWS];

    typedef Spot Place;
    typedef Digits Depth;
    __device__ bool along_depth() const { return !OF_TAPS || !image.aligned; }
    __device__ bool quick() const { return image.aligned; }
    __device__ Place place(int i) const { return rows[i].spot; }
    __device__ Depth start(int k) const { return counter.digits(k); }
    __device__ void advance(Depth& k, int) const { counter.add(k, counter.step); }
    __device__ void next(Depth& k) const { counter.add(k, {0, 0, 1}); }
    __device__ Spot spot(Depth k) const {
        Spot spot = OF_TAPS ? image.position({k.high, k.middle, k.low}) : image.tap(k);
        if (k.high >= most) spot.y = NOWHERE;
        return spot;
    }
    __device__ void load_quad(Place p, Depth k, T* quad) const { image.load_quad(p, spot(k), quad); }
    __device__ T number(Place p, Depth k, int) const { return image.number(p, spot(k)); }
};

// A matrix whose depth is counted by three digits, each with a step of its own: weights by taps and
// channels, or images by positions.
template <typename T> struct Counted {
    const T* numbers;
    int step, high, middle, low;
    int size, most;  // columns, values of the first digit
    bool whole;  // quads are of neighbours, and columns do not end within one
    Counter counter;

    typedef int Place;
    typedef Digits Depth;
    __device__ bool along_depth() const { return false; }
    __device__ bool quick() const { return whole; }
    __device__ Place place(int i) const { return i; }
    __device__ Depth start(int k) const { return counter.digits(k); }
    __device__ void advance(Depth& k, int) const { counter.add(k, counter.step); }
    __device__ void next(Depth& k) const { counter.add(k, {0, 0, 1}); }
    __device__ bool exists(Place i, Depth k) const { return i < size && k.high < most; }
    __device__ const T* at(Place i, Depth k) const {
        return numbers + (k.high * high + k.middle * middle + k.low * low + i * step);
    }
    __device__ void load_quad(Place i, Depth k, T* quad) const {
        ::load_quad(exists(i, k), quad, at(i, k));
    }
    __device__ T number(Place i, Depth k, int on) const {
        return exists(i + on, k) ? __ldg(at(i + on, k)) : T(0);
    }
};
