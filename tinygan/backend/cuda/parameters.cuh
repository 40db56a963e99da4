// Many arrays for one launch: a table of where they are, passed by value as an argument.
#pragma once
#include "last.cuh"

// A parameter's arrays are itself, its gradient, and its state (null where there is none), all of
// one size. They are cut into chunks of one size, a block of threads for each; `chunk` is the first.
struct Row {
    long long chunk, size;
    void* arrays[5];
    float* step;
};
struct Table {
    Row rows[60];
    float* found;  // null, or not 0 where gradients were not finite: then nothing is updated
};
#define ARRAYS const __grid_constant__ Table table, int rows, int counted, int length

__device__ inline bool skipped(const Table& table) { return table.found && *table.found != 0; }

// The row that this block's chunk belongs to.
__device__ inline const Row& own_row(const Table& table, int rows) {
    int first = 0, behind = rows;
    while (behind - first > 1) {
        const int middle = (first + behind) / 2;
        if (table.rows[middle].chunk <= blockIdx.x) first = middle;
        else behind = middle;
    }
    return table.rows[first];
}

__device__ inline double update_number(const Row& row) { return (double)*row.step + 1; }

template <typename T, int width> struct alignas(sizeof(T) * width) Numbers { T values[width]; };

// rule(x) for numbers at `i`, x[k] being that of the k-th array; all but the gradient are stored.
template <int width, int count, typename T, typename Rule>
__device__ inline void change(T* const (&arrays)[count], long long i, const Rule& rule) {
    Numbers<T, width> all[count] = {};
    for (int k = 0; k < count; k++)
        if (arrays[k]) all[k] = *(const Numbers<T, width>*)(arrays[k] + i);
    for (int n = 0; n < width; n++) {
        T x[count];
        for (int k = 0; k < count; k++) x[k] = all[k].values[n];
        rule(x);
        for (int k = 0; k < count; k++) all[k].values[n] = x[k];
    }
    for (int k = 0; k < count; k++)
        if (arrays[k] && k != 1) *(Numbers<T, width>*)(arrays[k] + i) = all[k];
}

// rule(x) for all numbers of this block's chunk, 16 bytes of an array at a time.
template <int count, typename T, typename Rule>
__device__ inline void change_chunk(const Row& row, int length, const Rule& rule) {
    const int width = 16 / sizeof(T);
    T* arrays[count];
    bool aligned = true;
    for (int k = 0; k < count; k++) {
        arrays[k] = (T*)row.arrays[k];
        aligned &= (size_t)arrays[k] % 16 == 0;
    }
    long long begin = (blockIdx.x - row.chunk) * length;
    const long long end = min(begin + length, row.size);
    if (aligned) {
        const long long whole = end - (end - begin) % width;
        for (long long i = begin + threadIdx.x * width; i < whole; i += blockDim.x * width)
            change<width>(arrays, i, rule);
        begin = whole;
    }
    for (long long i = begin + threadIdx.x; i < end; i += blockDim.x) change<1>(arrays, i, rule);
}

// The last block counts the updates of the first rows.
__device__ inline void count_steps(const Table& table, int counted) {
    if (counted && is_last_block())
        for (int i = threadIdx.x; i < counted; i += blockDim.x) *table.rows[i].step += 1;
}
