// Nested loops over an array, or over two at once. Numbers are moved as words, whatever they mean.
#pragma once

template <int bytes> struct WordOf;
template <> struct WordOf<1> { typedef unsigned char type; };
template <> struct WordOf<2> { typedef unsigned short type; };
template <> struct WordOf<4> { typedef unsigned type; };
template <> struct WordOf<8> { typedef unsigned long long type; };
template <> struct WordOf<16> { typedef uint4 type; };
template <int bytes> using Word = typename WordOf<bytes>::type;

// The outermost loop first; steps are in words.
struct Loops {
    int sizes[6];
    long long to[6], from[6];
};
struct Place { long long to, from; };

__device__ inline Place place_of(const Loops& loops, int dims, unsigned index) {
    Place place = {0, 0};
    for (int d = dims - 1; d >= 0; d--) {
        const unsigned outer = index / loops.sizes[d], k = index - outer * loops.sizes[d];
        place.to += k * loops.to[d];
        place.from += k * loops.from[d];
        index = outer;
    }
    return place;
}

__device__ inline unsigned first_index() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline unsigned all_threads() { return gridDim.x * blockDim.x; }
