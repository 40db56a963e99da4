// A thread's part of a tile on tensor cores, of factors rounded to 10 bits (TF32); sums are float.
#pragma once
#include "tiles.cuh"

#if defined(CUDA_ON_HOST)
#define TENSOR_CORES 1
__device__ inline float to_tf32(float x) { return host::to_tf32(x); }
__device__ inline void multiply_add(float* sums, const float* a, const float* b) {
    host::mma_m16n8k8(sums, a, b);
}
#elif !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define TENSOR_CORES 1
__device__ inline float to_tf32(float x) {
    unsigned y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return __uint_as_float(y);
}
// sums (16, 8) += a (16, 8) b (8, 8), by all threads of a warp.
__device__ inline void multiply_add(float* sums, const float* a, const float* b) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
          "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}
#else
#define TENSOR_CORES 0  // older ones do not take such numbers
#endif

#if TENSOR_CORES
template <class Tile> struct TensorSums {
    static constexpr int high = Tile::warp_rows / 16, wide = Tile::warp_columns / 8;
    static constexpr int count = high * wide * 4;
    alignas(16) float numbers[count];  // of a piece (16, 8): two side by side, two 8 rows below

    static __device__ int row(int i) {
        return Tile::warp_row() + i * 16 + threadIdx.x % 32 / 4;
    }
    static __device__ int column(int j) { return Tile::warp_column() + j * 8; }
    static __device__ float kept(float x) { return to_tf32(x); }
    __device__ void multiply(const float* left, const float* right) {
        typedef Panel<float, Tile::rows> L;
        typedef Panel<float, Tile::columns> R;
        int group = threadIdx.x % 32 / 4, k = threadIdx.x % 4;
#pragma unroll
        for (int first = 0; first < DEPTH<float>; first += 8, k += 8) {
            float a[high][4], b[wide][2];
#pragma unroll
            for (int n = 0; n < 4 * high; n++)
                a[n / 4][n % 4] = left[L::at(k + n % 4 / 2 * 4, row(n / 4) + n % 2 * 8)];
#pragma unroll
            for (int n = 0; n < 2 * wide; n++)
                b[n / 2][n % 2] = right[R::at(k + n % 2 * 4, column(n / 2) + group)];
#pragma unroll
            for (int n = 0; n < high * wide; n++)
                multiply_add(numbers + n * 4, a[n / wide], b[n % wide]);
        }
    }
    template <class Result> __device__ void store(const Result& y, int first_row, int first) {
#pragma unroll
        for (int n = 0; n < count; n += 2) {
            int i = n / 4 / wide, j = n / 4 % wide;
            y.template store<2>(first_row + row(i) + n / 2 % 2 * 8,
                                first + column(j) + threadIdx.x % 4 * 2, numbers + n);
        }
    }
};
#endif

// What adds the products: the threads, or tensor cores where they are wanted and there are some.
template <typename T, class Tile, int TENSOR> struct SumsOf { typedef Sums<T, Tile> type; };
#if TENSOR_CORES
template <class Tile> struct SumsOf<float, Tile, 1> { typedef TensorSums<Tile> type; };
#endif
