// Products of two factors, tile by tile: y = f(left right + bias), however factors are read.
//
// A block computes one tile of y. It walks along the depth: while one panel of each factor is
// multiplied, the numbers of the next are on their way from memory into registers; they then go
// into a second panel, so that each step needs one barrier only.
//
// A factor is read through a Source: load reads a quad of numbers (zeros beyond the ends) from a
// place, which is a row (or a column), and a depth, which advance moves on by a panel. Quads run the
// way that along_depth() says. A thread's quads are at one depth if they run along it, else at one
// place: a Source that is sure says so (one_depth, one_place), which spares registers.
#pragma once
#include "functions.cuh"
#include "tensor_cores.cuh"

// A factor that is a matrix in memory, its quads running the way its numbers do.
template <typename T> struct Matrix {
    const T* numbers;
    long long step, depth_step;  // from row to row (or column to column), along the depth
    int size, depth;
    bool along, aligned;

    typedef int Place;
    typedef int Depth;
    static constexpr bool one_place = false, one_depth = false;
    __device__ bool along_depth() const { return along; }
    __device__ Place place(int i) const { return i; }
    __device__ Depth start(int k) const { return k; }
    __device__ void advance(Depth& k, int panel) const { k += panel; }
    __device__ void load(Place i, Depth k, T* quad) const {
        const T* from = numbers + i * step + k * depth_step;
        int here = along ? (i < size ? depth - k : 0) : (k < depth ? size - i : 0);
        if (aligned && here >= 4) {
            load_quad(quad, from);
        } else {
            long long next = along ? depth_step : step;
#pragma unroll
            for (int v = 0; v < 4; v++) quad[v] = v < here ? __ldg(from + v * next) : T(0);
        }
    }
};

// What is done with the sums: y[offset(row) + column * step] = f(sum + bias).
template <typename T, class Rows> struct Result {
    T* y;
    Rows offset;
    long long step;
    int height, width;
    bool aligned;
    const T* bias;  // or null
    long long bias_row, bias_column;
    int activation;
    T slope;

    __device__ T finished(T sum, int row, int column) const {
        if (bias) sum += bias[row * bias_row + column * bias_column];
        return activated(sum, activation, slope);
    }
    template <int N> __device__ void store(int row, int column, T* sums) const {
        if (row >= height || column >= width) return;
        T* to = y + offset(row) + column * step;
#pragma unroll
        for (int v = 0; v < N; v++)
            if (column + v < width) sums[v] = finished(sums[v], row, column + v);
        if (aligned && column + N <= width) {
            copy<N>(to, sums);
        } else {
#pragma unroll
            for (int v = 0; v < N; v++)
                if (column + v < width) to[v * step] = sums[v];
        }
    }
};

// A thread's quads of each panel of a factor, on their way.
template <typename T, class Sums, int SIZE, int THREADS, class Source> struct Quads {
    static constexpr int deep = Sums::depth;
    static constexpr int total = SIZE * deep / 4, share = (total + THREADS - 1) / THREADS;
    static constexpr int spots = Source::one_place ? 1 : share;
    static constexpr int depths = Source::one_depth ? 1 : share;
    typename Source::Place places[spots];
    typename Source::Depth depth[depths];
    alignas(16) T numbers[share][4];

    struct Spot { int i, k; };
    static __device__ Spot spot(const Source& source, int q) {
        int t = threadIdx.x + q * THREADS;
        if (source.along_depth()) return {t / (deep / 4), t % (deep / 4) * 4};
        return {t % (SIZE / 4) * 4, t / (SIZE / 4)};
    }
    static __device__ bool exists(int q) {
        return total % THREADS == 0 || threadIdx.x + q * THREADS < total;
    }
    __device__ void start(const Source& source, int first, int k) {
#pragma unroll
        for (int q = 0; q < share; q++) {
            Spot s = spot(source, q);
            if (q < spots) places[q] = source.place(first + s.i);
            if (q < depths) depth[q] = source.start(k + s.k);
        }
    }
    __device__ void load(const Source& source) {
#pragma unroll
        for (int q = 0; q < share; q++)
            if (exists(q)) source.load(places[q % spots], depth[q % depths], numbers[q]);
#pragma unroll
        for (int q = 0; q < depths; q++) source.advance(depth[q], deep);
    }
    __device__ void keep(const Source& source, typename Sums::Word* panel) {
#pragma unroll
        for (int q = 0; q < share; q++)
            if (exists(q)) {
                Spot s = spot(source, q);
                Sums::template keep<SIZE>(panel, s.k, s.i, source.along_depth(), numbers[q]);
            }
    }
};

// Where the depth is split over `count` blocks: which of them this is, and memory for their sums.
template <typename T> struct Parts {
    int number, count;
    T* sums;  // of all tiles and parts
    int tile;
};
constexpr int COUNTED = 1 << 14;  // parts of all tiles, the same as in product.py
// Blocks at a meeting of two: 0 again when both were there. Launches of a kernel must follow one
// another, never overlap.
__device__ unsigned arrived[COUNTED];

// Whether this block is to store the tile: then it has the sums of all parts. Parts meet in pairs,
// pairs in pairs, and so on. The first at a meeting leaves its sums and ends, the second adds them:
// what is added to what does not depend on which comes first.
template <typename T, class Sums> __device__ bool complete(Sums& own, const Parts<T>& parts) {
    __shared__ bool second;
    constexpr int step = Sums::count % 4 ? 1 : 4;  // numbers of a thread side by side
    long long size = Sums::count * blockDim.x;
    int first = parts.tile * parts.count, place = parts.number;  // the least part that it has
    for (int half = 1; half < parts.count; half *= 2) {
        int other = place ^ half, meeting = first + (place | half);
        if (other >= parts.count) continue;
        T *mine = parts.sums + (first + place) * size, *found = parts.sums + (first + other) * size;
#pragma unroll
        for (int i = 0; i < Sums::count; i += step)
            copy<step>(mine + i * blockDim.x + threadIdx.x * step, own.numbers + i);
        __threadfence();
        __syncthreads();
        if (threadIdx.x == 0) second = atomicAdd(&arrived[meeting], 1u) == 1;
        __syncthreads();
        if (!second) return false;
        if (threadIdx.x == 0) arrived[meeting] = 0;
        __threadfence();
#pragma unroll
        for (int i = 0; i < Sums::count; i += step) {
            alignas(16) T numbers[step];
            copy_latest<step>(numbers, found + i * blockDim.x + threadIdx.x * step);
#pragma unroll
            for (int v = 0; v < step; v++) own.numbers[i + v] += numbers[v];
        }
        place &= ~half;
    }
    return true;
}

// What is multiplied: in shared memory, as the loop below needs all registers.
template <class Left, class Right> struct Factors {
    Left left;
    Right right;
};

// The tile from a row and a column on.
template <typename T, class Tile, int TENSOR, class Left, class Right, class Y>
__device__ void product_tile(const Factors<Left, Right>& factors, const Y& y, int row, int column,
                             int depth, const Parts<T>& parts) {
    typedef typename SumsOf<T, Tile, TENSOR>::type Sums;
    constexpr int L = Panel<T, Tile::rows>::length, R = Panel<T, Tile::columns>::length;
    alignas(16) __shared__ typename Sums::Word panels[2][L + R];
    int steps = (depth + Sums::depth - 1) / Sums::depth;
    int begin = (long long)steps * parts.number / parts.count;
    int end = (long long)steps * (parts.number + 1) / parts.count;
    Quads<T, Sums, Tile::rows, Tile::threads, Left> lefts;
    Quads<T, Sums, Tile::columns, Tile::threads, Right> rights;
    Sums sums = {};
    lefts.start(factors.left, row, begin * Sums::depth);
    rights.start(factors.right, column, begin * Sums::depth);
    for (int step = begin - 1; step < end; step++) {  // the first one only fetches
        typename Sums::Word* next = panels[(step + 1) & 1];
        if (step + 1 < end) {
            lefts.load(factors.left);
            rights.load(factors.right);
        }
        if (step >= begin) sums.multiply(panels[step & 1], panels[step & 1] + L);
        if (step + 1 < end) {
            lefts.keep(factors.left, next);
            rights.keep(factors.right, next + L);
        }
        __syncthreads();
    }
    if (parts.count == 1 || complete(sums, parts)) sums.store(y, row, column);
}
