// Copies from one memory order to another, and what is made of them.
#include "copy.cuh"

#define EACH(i) unsigned i = first_index(); i < size; i += all_threads()

template <int bytes>
__global__ void copy(const Word<bytes>* x, Word<bytes>* y, const __grid_constant__ Loops loops,
                     int dims, unsigned size) {
    for (EACH(i)) {
        const Place place = place_of(loops, dims, i);
        y[place.to] = x[place.from];
    }
}

// Where x has its rows side by side in memory and y its columns: by tiles, so that what a warp
// reads, and what it writes, lies together. A block: a tile.
template <int bytes>
__global__ void transpose(const Word<bytes>* x, Word<bytes>* y, const __grid_constant__ Loops outer,
                          int dims, int rows, int columns, long long from_column,
                          long long to_row) {
    __shared__ Word<bytes> tile[32][33];
    const int across = (columns + 31) / 32, down = (rows + 31) / 32;
    const int column = blockIdx.x % across * 32, row = blockIdx.x / across % down * 32;
    const Place place = place_of(outer, dims, blockIdx.x / across / down);
    for (int k = threadIdx.y; k < 32; k += blockDim.y)
        if (column + k < columns && row + threadIdx.x < rows)
            tile[k][threadIdx.x] = x[place.from + (column + k) * from_column + row + threadIdx.x];
    __syncthreads();
    for (int k = threadIdx.y; k < 32; k += blockDim.y)
        if (row + k < rows && column + threadIdx.x < columns)
            y[place.to + (row + k) * to_row + column + threadIdx.x] = tile[threadIdx.x][k];
}

template <int bytes>
__global__ void fill(unsigned long long word, Word<bytes>* y, const __grid_constant__ Loops loops,
                     int dims, unsigned size) {
    for (EACH(i)) y[place_of(loops, dims, i).to] = (Word<bytes>)word;
}

// Where x lies in y, by dimension of y: every `step`-th from `first` on, `count` of them.
struct Box {
    int sizes[6], first[6], step[6], count[6];
    long long from[6];
};

// y = x inside of the box, the given word outside.
template <int bytes>
__global__ void enclose(const Word<bytes>* x, Word<bytes>* y, const __grid_constant__ Box box,
                        int dims, unsigned long long outside, unsigned size) {
    for (EACH(i)) {
        bool inside = true;
        long long from = 0;
        unsigned rest = i;
        for (int d = dims - 1; d >= 0; d--) {
            const unsigned outer = rest / box.sizes[d];
            const int k = (int)(rest - outer * box.sizes[d]) - box.first[d], n = k / box.step[d];
            inside &= k >= 0 && n < box.count[d] && n * box.step[d] == k;
            from += n * box.from[d];
            rest = outer;
        }
        y[i] = inside ? x[from] : (Word<bytes>)outside;
    }
}

// Arrays of which every row goes into a row of the result, up to `end`.
struct Parts {
    const void* from[8];
    long long end[8];
};

template <int bytes>
__global__ void join(const __grid_constant__ Parts parts, Word<bytes>* y, unsigned width,
                     unsigned size) {
    for (EACH(i)) {
        const unsigned row = i / width, column = i - row * width;
        long long begin = 0;
        int k = 0;
        while (column >= parts.end[k]) begin = parts.end[k++];
        const Word<bytes>* x = (const Word<bytes>*)parts.from[k];
        y[i] = x[row * (parts.end[k] - begin) + column - begin];
    }
}
