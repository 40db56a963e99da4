// Images continued beyond their edges, by dimension: mirrored at the edge, with the edge repeated,
// or from the other end.
#include "copy.cuh"

const int DIMS = 4;
enum Mode { REFLECT, REPLICATE, CIRCULAR };

// Of every dimension the size inside, the widths before and after, and the steps of both arrays.
struct Edges {
    int size[DIMS], before[DIMS], after[DIMS];
    long long inside[DIMS], padded[DIMS];
};

// Where what is at k beyond or within an edge comes from.
__device__ inline int source(int mode, int k, int size) {
    if (mode == REFLECT) return k < 0 ? -k : k < size ? k : 2 * (size - 1) - k;
    if (mode == REPLICATE) return k < 0 ? 0 : k < size ? k : size - 1;
    return k < 0 ? k + size : k < size ? k : k - size;
}

#define EACH(i) unsigned i = first_index(); i < count; i += all_threads()

template <int bytes>
__global__ void pad_edges(const Word<bytes>* x, Word<bytes>* y, const __grid_constant__ Edges e,
                          int mode, unsigned count) {
    for (EACH(i)) {
        long long from = 0, to = 0;
        unsigned rest = i;
#pragma unroll
        for (int d = DIMS - 1; d >= 0; d--) {
            const unsigned outer = rest / (e.before[d] + e.size[d] + e.after[d]);
            const int k = rest - outer * (e.before[d] + e.size[d] + e.after[d]);
            from += source(mode, k - e.before[d], e.size[d]) * e.inside[d];
            to += k * e.padded[d];
            rest = outer;
        }
        y[to] = x[from];
    }
}

// The places that have k as their source: its own, and runs of them on the left and on the right.
struct Places {
    int own, left, lefts, right, rights;
    __device__ int count() const { return 1 + lefts + rights; }
    __device__ int operator[](int n) const {
        return n == 0 ? own : n <= lefts ? left + n - 1 : right + n - 1 - lefts;
    }
};
__device__ inline Places places_of(int mode, int k, int size, int before, int after) {
    const int own = before + k, last = size - 1;
    if (mode == REFLECT)
        return {own, before - k, k > 0 && k <= before, before + 2 * last - k,
                k < last && last - k <= after};
    if (mode == REPLICATE)
        return {own, 0, k == 0 ? before : 0, before + size, k == last ? after : 0};
    return {own, own - size, own >= size, own + size, k < after};
}

// The adjoint: y is the sum of x over the places that have it as their source.
template <typename T>
__global__ void fold_edges(const T* x, T* y, const __grid_constant__ Edges e, int mode,
                           unsigned count) {
    for (EACH(i)) {
        Places places[DIMS];
        long long to = 0;
        int terms = 1;
        unsigned rest = i;
#pragma unroll
        for (int d = DIMS - 1; d >= 0; d--) {
            const unsigned outer = rest / e.size[d];
            const int k = rest - outer * e.size[d];
            places[d] = places_of(mode, k, e.size[d], e.before[d], e.after[d]);
            terms *= places[d].count();
            to += k * e.inside[d];
            rest = outer;
        }
        T sum = 0;
        for (int n = 0; n < terms; n++) {
            long long from = 0;
            int term = n;
#pragma unroll
            for (int d = DIMS - 1; d >= 0; d--) {
                const int outer = term / places[d].count();
                from += places[d][term - outer * places[d].count()] * e.padded[d];
                term = outer;
            }
            sum += x[from];
        }
        y[to] = sum;
    }
}
