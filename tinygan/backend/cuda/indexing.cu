// Picking and placing by an index, and the adjoints, which add: always in the order of the index,
// so that the bits do not depend on chance.
#include "copy.cuh"

// Loops over a result, the outermost first, with the steps in it, in the other array and in the
// index, and of the coordinate along the dimension of the index.
struct Walk {
    int sizes[6];
    long long to[6], from[6], at[6], k[6];
};
struct Spot { long long to, from, at, k; };

__device__ inline Spot spot_of(const Walk& walk, int dims, unsigned number) {
    Spot spot = {0, 0, 0, 0};
    for (int d = dims - 1; d >= 0; d--) {
        const unsigned outer = number / walk.sizes[d], n = number - outer * walk.sizes[d];
        spot.to += n * walk.to[d];
        spot.from += n * walk.from[d];
        spot.at += n * walk.at[d];
        spot.k += n * walk.k[d];
        number = outer;
    }
    return spot;
}

#define WALK const __grid_constant__ Walk walk, int dims, unsigned size
#define EACH(i) unsigned i = first_index(); i < size; i += all_threads()

__device__ inline void check(long long k, long long count) {
    if (k >= 0 && k < count) return;
    printf("expected indices from 0 to %lld, got %lld\n", count - 1, k);
    __trap();
}

// y[...] = x[..., index[...], ...], 0 where the index is `zero`; `step` is that of x along `count`.
template <int bytes>
__global__ void pick(const Word<bytes>* x, const long long* index, Word<bytes>* y, WALK,
                     long long step, long long count, long long zero) {
    for (EACH(i)) {
        const Spot spot = spot_of(walk, dims, i);
        const long long k = index[spot.at];
        check(k, count);
        y[spot.to] = k == zero ? Word<bytes>(0) : x[spot.from + k * step];
    }
}

// y[k] = the sum of x[n] over all n with index[n] = k, but 0 for k = `skipped`. A block: up to
// `blockDim.x` of the numbers at one k, the walk being over these; it looks at the whole index.
template <typename T>
__global__ void add_rows(const T* x, const long long* index, T* y, WALK, long long to_step,
                         long long from_step, int count, int groups, long long skipped) {
    __shared__ unsigned found[32];
    const unsigned k = blockIdx.x / groups, number = blockIdx.x % groups * blockDim.x + threadIdx.x;
    const Spot spot = spot_of(walk, dims, number);
    T sum = 0;
    for (int first = 0; first < count; first += blockDim.x) {
        const int n = first + threadIdx.x;
        const unsigned bits = __ballot_sync(~0u, n < count && index[n] == k && k != skipped);
        if (threadIdx.x % 32 == 0) found[threadIdx.x / 32] = bits;
        __syncthreads();
        for (int warp = 0; warp < blockDim.x / 32; warp++)
            for (unsigned left = found[warp]; left && number < size; left &= left - 1)
                sum += x[spot.from + (first + warp * 32 + __ffs(left) - 1) * from_step];
        __syncthreads();
    }
    if (number < size) y[spot.to + k * to_step] = sum;
}

// y[..., k, ...] = the sum of x[..., n, ...] over all n with index[..., n, ...] = k.
template <typename T>
__global__ void add_places(const T* x, const long long* index, T* y, WALK, long long from_step,
                           long long at_step, int count) {
    for (EACH(i)) {
        const Spot spot = spot_of(walk, dims, i);
        T sum = 0;
        for (int n = 0; n < count; n++)
            if (index[spot.at + n * at_step] == spot.k) sum += x[spot.from + n * from_step];
        y[spot.to] = sum;
    }
}

// Of all that go to one place the last gets it: -1 before, then its number.
__global__ void claim(const long long* index, int* owner, WALK, long long step) {
    for (EACH(i)) {
        const Spot spot = spot_of(walk, dims, i);
        atomicMax(owner + spot.to + index[spot.at] * step, (int)i);
    }
}

// y[..., index[...], ...] = x[...], where several go to one place (`contested`) by its owner.
template <int bytes, int contested>
__global__ void put(const Word<bytes>* x, const long long* index, const int* owner, Word<bytes>* y,
                    WALK, long long step) {
    for (EACH(i)) {
        const Spot spot = spot_of(walk, dims, i);
        const long long place = spot.to + index[spot.at] * step;
        if (!contested || owner[place] == (int)i) y[place] = x[spot.from];
    }
}

// y[n, k] = whether index[n] is k.
__global__ void one_hot(const long long* index, long long* y, unsigned classes, unsigned size) {
    for (EACH(i)) {
        const unsigned n = i / classes;
        check(index[n], classes);
        y[i] = index[n] == i - n * classes;
    }
}
