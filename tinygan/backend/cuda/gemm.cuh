// Products of two factors, tile by tile: y = f(left right + bias), however factors are read.
//
// A block computes one tile of y. It walks along the depth: while one panel of each factor is
// multiplied, the numbers of the next are on their way from memory into registers; they then go
// into a second panel, so that each step needs one barrier only.
//
// A factor is read through a Source, in quads of numbers, zeros beyond the ends. A place is a row (or
// a column), a depth is one of those that are added up; quads run the way that along_depth() says,
// and all quads of a thread are at one depth. Where quick() is true load_quad reads a quad as one,
// else number reads one at a time, so many places on if quads do not run along the depth; next
// moves a depth on by one, advance by a panel.
#pragma once
#include "functions.cuh"
#include "tensor_cores.cuh"

// A factor that is a matrix in memory, its quads running the way its numbers do.
template <typename T> struct Matrix {
    const T* numbers;
    int step, depth_step;  // from row to row (or column to column), along the depth
    int size, depth;
    bool along, whole;  // quads are of neighbours, and nowhere does an end come within

    typedef int Place;
    typedef int Depth;
    __device__ bool along_depth() const { return along; }
    __device__ bool quick() const { return whole; }
    __device__ Place place(int i) const { return i; }
    __device__ Depth start(int k) const { return k; }
    __device__ void advance(Depth& k, int panel) const { k += panel; }
    __device__ void next(Depth& k) const { k++; }
    __device__ bool exists(Place i, Depth k) const { return i < size && k < depth; }
    __device__ const T* at(Place i, Depth k) const { return numbers + (i * step + k * depth_step); }
    __device__ void load_quad(Place i, Depth k, T* quad) const {
        ::load_quad(exists(i, k), quad, at(i, k));
    }
    __device__ T number(Place i, Depth k, int on) const {
        return exists(i + on, k) ? __ldg(at(i + on, k)) : T(0);
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
    static constexpr int apart = THREADS * 4 / deep;  // places from one quad to the next
    static constexpr int lanes = (apart < SIZE ? apart : SIZE) / 4;  // threads at one depth
    typename Source::Place places[share];
    typename Source::Depth depth;
    alignas(16) T numbers[share][4];

    static __device__ bool exists() { return total % THREADS == 0 || threadIdx.x < total; }
    static __device__ int first_place(bool along) {
        return along ? threadIdx.x / (deep / 4) : threadIdx.x % lanes * 4;
    }
    static __device__ int first_depth(bool along) {
        return along ? threadIdx.x % (deep / 4) * 4 : threadIdx.x / lanes;
    }
    __device__ void start(const Source& source, int first, int k) {
        if (!exists()) return;
        bool along = source.along_depth();
#pragma unroll
        for (int q = 0; q < share; q++)
            places[q] = source.place(first + first_place(along) + q * apart);
        depth = source.start(k + first_depth(along));
    }
    __device__ void load(const Source& source) {
        if (!exists()) return;
        if (source.quick()) {
#pragma unroll
            for (int q = 0; q < share; q++) source.load_quad(places[q], depth, numbers[q]);
        } else {
            bool along = source.along_depth();
            typename Source::Depth own = depth;
#pragma unroll
            for (int v = 0; v < 4; v++) {
#pragma unroll
                for (int q = 0; q < share; q++)
                    numbers[q][v] = source.number(places[q], own, along ? 0 : v);
                if (along) source.next(own);
            }
        }
        source.advance(depth, deep);
    }
    __device__ void keep(const Source& source, typename Sums::Word* panel) {
        if (!exists()) return;
        bool along = source.along_depth();
#pragma unroll
        for (int q = 0; q < share; q++)
            Sums::template keep<SIZE, -apart>(panel, first_depth(along), first_place(along),
                                              q * apart, along, numbers[q]);
    }
};

// Where part `number` of so many things begins, if parts are as alike as can be.
__device__ inline int begin_of(int things, int number, int parts) {
    return things / parts * number + min(things % parts, number);
}

// Where the depth is split over `count` blocks: which of them this is, and memory for their sums.
template <typename T> struct Parts {
    int number, count;
    T* sums;  // of all tiles and parts
    int tile;
};
constexpr int COUNTED = 1 << 14;  // parts of all tiles, the same as in product.py
// Blocks at a meeting: 0 again when all were there. Launches of a kernel must follow one another,
// never overlap.
__device__ unsigned arrived[COUNTED];
// How many meet, the same as in product.py: more if their sums are few, as the last one reads them all.
template <class Sums> constexpr int TOGETHER = Sums::count <= 8 ? 8 : Sums::count <= 32 ? 4 : 2;

// Whether this block is to store the tile: then it has the sums of all parts. Some parts meet, then
// some of those that have met, and so on. All leave their sums and end but the last at the meeting,
// which adds them in the order of the parts: what comes out does not depend on which is last.
template <typename T, class Sums> __device__ bool complete(Sums& own, const Parts<T>& parts) {
    __shared__ bool last;
    constexpr int together = TOGETHER<Sums>;
    constexpr int step = Sums::count % 4 ? 1 : 4;  // numbers of a thread side by side
    long long size = Sums::count * blockDim.x;
    int first = parts.tile * parts.count, place = parts.number;  // the least part that it has
    T* sums = parts.sums + first * size + threadIdx.x * step;
    for (int span = 1; span < parts.count; span *= together) {
        int least = place - place / span % together * span;
        int present = min(together, (parts.count - least + span - 1) / span);
        if (present == 1) continue;
#pragma unroll
        for (int i = 0; i < Sums::count; i += step)
            copy<step>(sums + place * size + i * blockDim.x, own.numbers + i);
        __threadfence();
        __syncthreads();
        unsigned& here = arrived[first + least + span];
        if (threadIdx.x == 0) last = atomicAdd(&here, 1u) == present - 1;
        __syncthreads();
        if (!last) return false;
        if (threadIdx.x == 0) here = 0;
        __threadfence();
#pragma unroll
        for (int i = 0; i < Sums::count; i += step) {
            alignas(16) T found[together][step];
            if (together == 2) {  // whose sum is the same in either order
                int other = place == least ? least + span : least;
                copy_latest<step>(found[0], sums + other * size + i * blockDim.x);
#pragma unroll
                for (int v = 0; v < step; v++) own.numbers[i + v] += found[0][v];
                continue;
            }
#pragma unroll
            for (int m = 0; m < together; m++)
                if (m < present)
                    copy_latest<step>(found[m], sums + (least + m * span) * size + i * blockDim.x);
#pragma unroll
            for (int v = 0; v < step; v++) {
                own.numbers[i + v] = found[0][v];
#pragma unroll
                for (int m = 1; m < together; m++)
                    if (m < present) own.numbers[i + v] += found[m][v];
            }
        }
        place = least;
    }
    return true;
}

// What is multiplied: in shared memory, as the loop below needs all registers.
template <class Left, class Right> struct Factors {
    Left left;
    Right right;
};

// The tile from a row and a column on. (A Source may count places from the tile's first: row is 0.)
template <typename T, class Tile, int TENSOR, class Left, class Right, class Y>
__device__ void product_tile(const Factors<Left, Right>& factors, const Y& y, int row, int column,
                             int depth, const Parts<T>& parts) {
    typedef typename SumsOf<T, Tile, TENSOR>::type Sums;
    constexpr int L = Panel<T, Tile::rows>::length, R = Panel<T, Tile::columns>::length;
    alignas(16) __shared__ typename Sums::Word panels[2][L + R];
    int steps = (depth + Sums::depth - 1) / Sums::depth;
    int begin = begin_of(steps, parts.number, parts.count);
    int end = begin_of(steps, parts.number + 1, parts.count);
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
