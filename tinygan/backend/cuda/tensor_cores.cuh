// A thread's part of a tile on tensor cores. Factors are rounded on their way into the panels: to
// TF32 (10 bits), float16 (10 bits, a small range) or bfloat16 (7 bits); sums are float. A word of a
// panel is a number in TF32, or two halves that follow each other along the depth.
//
// TF32X3 loses next to nothing: a factor is a number of TF32 and a rest of TF32, x = h + l, and
// x y = l h' + h l' + h h', of which only l l' is left out. Its panels have numbers as they are, and
// tensor cores add up eight products only: they cut sums off, which over a thousand is 1e-5 of them.
#pragma once
#include "tiles.cuh"

constexpr int TF32 = 1, TF32X3 = 2, FLOAT16 = 3, BFLOAT16 = 4;  // the same as in product.py

#if defined(CUDA_ON_HOST)
constexpr int MOST = BFLOAT16;
template <int KIND> __device__ unsigned halves(float low, float high) {
    return host::halves<KIND>(low, high);
}
template <int KIND>
__device__ void multiply_add(float* sums, const unsigned* a, const unsigned* b) {
    host::mma_of_words<KIND>(sums, a, b);
}
#elif !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
constexpr int MOST = BFLOAT16;
// Two numbers rounded, ties to even, beyond the range to infinity.
template <int KIND> __device__ unsigned halves(float low, float high) {
    unsigned word;
    if (KIND == FLOAT16) asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    else asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}
// sums (16, 8) += a (16, 8 words) b (8 words, 8), by all threads of a warp.
#define MULTIPLY_ADD(KINDS)                                                                       \
    asm volatile("mma.sync.aligned." KINDS                                                        \
                 " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"               \
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])                              \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
template <int KIND>
__device__ void multiply_add(float* sums, const unsigned* a, const unsigned* b) {
    if (KIND <= TF32X3) MULTIPLY_ADD("m16n8k8.row.col.f32.tf32.tf32.f32");
    if (KIND == FLOAT16) MULTIPLY_ADD("m16n8k16.row.col.f32.f16.f16.f32");
    if (KIND == BFLOAT16) MULTIPLY_ADD("m16n8k16.row.col.f32.bf16.bf16.f32");
}
#else  // older tensor cores know float16 only; TF32 is not used then, bfloat16 refused
constexpr int MOST = FLOAT16;
template <int> __device__ unsigned halves(float low, float high) {
    unsigned short a, b;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(a) : "f"(low));
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(b) : "f"(high));
    return a | (unsigned)b << 16;
}
template <int>
__device__ void multiply_add(float* sums, const unsigned* a, const unsigned* b) {
#pragma unroll
    for (int k = 0; k < 2; k++)
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
                     "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
            : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
            : "r"(a[2 * k]), "r"(a[2 * k + 1]), "r"(b[k]));
}
#endif

// Rounded to TF32, ties away from zero: tensor cores cut off what is behind its 10 bits. NaN is left
// alone, whose bits might run over. PTX has an instruction for it, of which four are made.
__device__ inline unsigned tf32(float x) {
    unsigned word = __float_as_uint(x);
    return fabsf(x) < __uint_as_float(0x7f800000) ? word + 0x1000 : word;
}

// A number as a factor that was rounded so, outside of tensor cores.
template <typename T> __device__ T as_factor(T x, int) { return x; }
template <> __device__ inline float as_factor(float x, int kind) {
    if (kind == BFLOAT16) {
        unsigned bits = __float_as_uint(x);
        return x == x ? __uint_as_float((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000) : x;
    }
#if defined(CUDA_ON_HOST)
    return kind == FLOAT16 ? host::of_half<FLOAT16>(host::to_half<FLOAT16>(x)) : x;
#else
    if (kind != FLOAT16) return x;
    asm("{ .reg .b16 half; cvt.rn.f16.f32 half, %0; cvt.f32.f16 %0, half; }" : "+f"(x));
    return x;
#endif
}

// A number into one of TF32 and what is left of it, of which tensor cores see 10 bits too. Of what
// is not finite, or would not be when it is rounded, all is left of +-1: inf times inf is inf.
__device__ inline void split(unsigned& word, unsigned& rest) {
    float x = __uint_as_float(word);
    bool fits = fabsf(x) < __uint_as_float(0x7f7ff000);
    unsigned h = (word + 0x1000) & 0xffffe000, one = (word & 0x80000000) | 0x3f800000;
    rest = fits ? __float_as_uint(x - __uint_as_float(h)) : word;
    word = fits ? h : one;
}

template <class Tile, int KIND> struct TensorSums {
    static constexpr int high = Tile::warp_rows / 16, wide = Tile::warp_columns / 8;
    static constexpr int count = high * wide * 4;
    alignas(16) float numbers[count];  // of a piece (16, 8): two side by side, two 8 rows below

    typedef unsigned Word;
    static constexpr int words = DEPTH<Word>, depth = KIND <= TF32X3 ? words : 2 * words;

    template <int SIZE, int OWN>
    static __device__ void keep(Word* panel, int k, int i, int fixed, bool along,
                                const float* quad) {
        typedef Panel<Word, SIZE> P;
        if (KIND <= TF32X3) {
            alignas(16) Word own[4];
#pragma unroll
            for (int v = 0; v < 4; v++)
                own[v] = KIND == TF32 ? tf32(quad[v]) : __float_as_uint(quad[v]);
            Sums<Word, Tile>::template keep<SIZE, OWN>(panel, k, i, fixed, along, own);
            return;
        }
        panel = P::template at<OWN>(panel, k / 2, i, fixed);
        if (along) {
            panel[0] = halves<KIND>(quad[0], quad[1]);
            panel[P::step] = halves<KIND>(quad[2], quad[3]);
        } else {  // the other half of a word is another thread's
#pragma unroll
            for (int v = 0; v < 4; v++)
                ((unsigned short*)(panel + v))[k % 2] =
                    (unsigned short)halves<KIND>(quad[v], 0.0f);
        }
    }
    __device__ void multiply(const Word (&a)[high][4], const Word (&b)[wide][2]) {
#pragma unroll
        for (int n = 0; n < high * wide; n++)
            multiply_add<KIND>(numbers + n * 4, a[n / wide], b[n % wide]);
    }
    __device__ void multiply_in_three(Word (&a)[high][4], Word (&b)[wide][2]) {
        Word b_rest[wide][2];
#pragma unroll
        for (int n = 0; n < 2 * wide; n++) split(b[n / 2][n % 2], b_rest[n / 2][n % 2]);
#pragma unroll
        for (int i = 0; i < high; i++) {
            Word rest[4];
#pragma unroll
            for (int v = 0; v < 4; v++) split(a[i][v], rest[v]);
#pragma unroll
            for (int j = 0; j < wide; j++) {
                float sums[4] = {};
                multiply_add<KIND>(sums, rest, b[j]);
                multiply_add<KIND>(sums, a[i], b_rest[j]);
                multiply_add<KIND>(sums, a[i], b[j]);
#pragma unroll
                for (int v = 0; v < 4; v++) numbers[(i * wide + j) * 4 + v] += sums[v];
            }
        }
    }
    __device__ void multiply(const Word* left, const Word* right) {
        typedef Panel<Word, Tile::rows> L;
        typedef Panel<Word, Tile::columns> R;
        constexpr int own_rows = Tile::warp_rows - 8, own_columns = Tile::warp_columns - 8;
        int group = threadIdx.x % 32 / 4, lane = threadIdx.x % 4;
        left += lane * L::step;
        right += lane * R::step;
#pragma unroll
        for (int k = 0; k < words; k += 8) {
            Word a[high][4], b[wide][2];
#pragma unroll
            for (int n = 0; n < 4 * high; n++)
                a[n / 4][n % 4] = *L::template at<own_rows>(
                    left, k + n % 4 / 2 * 4, Tile::warp_row() + group, n / 4 * 16 + n % 2 * 8);
#pragma unroll
            for (int n = 0; n < 2 * wide; n++)
                b[n / 2][n % 2] = *R::template at<own_columns>(
                    right, k + n % 2 * 4, Tile::warp_column() + group, n / 2 * 8);
            if (KIND == TF32X3) multiply_in_three(a, b);
            else multiply(a, b);
        }
    }
    template <class Result> __device__ void store(const Result& y, int top, int left) {
        int row = top + Tile::warp_row() + threadIdx.x % 32 / 4;
        int column = left + Tile::warp_column() + threadIdx.x % 4 * 2;
#pragma unroll
        for (int n = 0; n < count; n += 2) {
            int i = n / 4 / wide, j = n / 4 % wide;
            y.template store<2>(row + i * 16 + n / 2 % 2 * 8, column + j * 8, numbers + n);
        }
    }
};

// What adds the products: the threads, or tensor cores where they are wanted and there are some.
template <int KIND>
constexpr bool ON_TENSOR_CORES = KIND > 0 && KIND <= MOST && (KIND > TF32X3 || MOST > FLOAT16);
template <typename T, class Tile, int KIND, bool = ON_TENSOR_CORES<KIND>> struct SumsOf {
    typedef Sums<T, Tile> type;
};
template <typename T, class Tile, int KIND> struct SumsOf<T, Tile, KIND, true> {
    typedef TensorSums<Tile, KIND> type;
};
template <typename T, class Tile, int KIND>
constexpr int PANEL = SumsOf<T, Tile, KIND>::type::depth;  // numbers along the depth
