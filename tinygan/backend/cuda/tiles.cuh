// A tile of a product: its shape, the panels that it is multiplied from, and a thread's part of it.
#pragma once

template <int ROWS, int COLUMNS, int WARP_ROWS, int WARP_COLUMNS, int HEIGHT, int WIDTH>
struct TileOf {
    static constexpr int rows = ROWS, columns = COLUMNS;  // of the tile: a block's
    static constexpr int warp_rows = WARP_ROWS, warp_columns = WARP_COLUMNS;  // a warp's part
    static constexpr int height = HEIGHT, width = WIDTH;  // a thread's, without tensor cores
    static constexpr int threads = ROWS * COLUMNS / (HEIGHT * WIDTH);

    static __device__ int warp_row() {
        return threadIdx.x / 32 / (COLUMNS / WARP_COLUMNS) * WARP_ROWS;
    }
    static __device__ int warp_column() {
        return threadIdx.x / 32 % (COLUMNS / WARP_COLUMNS) * WARP_COLUMNS;
    }
};
// the same as TILES in product.py
template <int> struct Tile;
template <> struct Tile<0> : TileOf<128, 64, 64, 32, 8, 8> {};
template <> struct Tile<1> : TileOf<64, 64, 32, 32, 8, 4> {};
template <> struct Tile<2> : TileOf<32, 32, 16, 16, 2, 4> {};
template <> struct Tile<3> : TileOf<64, 8, 16, 8, 1, 4> {};

template <typename T> constexpr int DEPTH = 64 / sizeof(T);  // of a panel, in words of this size

// How many blocks a multiprocessor is to hold: its 65,536 registers are divided among them. It takes
// more to round factors to halves, or to multiply in three.
template <typename T, class Tile, int TENSOR> constexpr int RESIDENT =
    sizeof(T) == 8 || (TENSOR > 1 && Tile::height == 8) ? 2
    : Tile::height * Tile::width == 64                  ? 3
                                                        : 4;

template <typename T, int N> struct alignas(N * sizeof(T)) Pack { T numbers[N]; };

// N numbers that lie on a multiple of their size, or of 16 bytes, in as few instructions as can be
template <int N, typename T> __device__ void copy(T* to, const T* from) {
    constexpr int most = 16 / sizeof(T), count = N < most ? N : most;
#pragma unroll
    for (int i = 0; i < N; i += count)
        *(Pack<T, count>*)(to + i) = *(const Pack<T, count>*)(from + i);
}

// Four numbers of a factor, on a multiple of 16 bytes, or zeros where there are none. In assembly, as
// the compiler would make a branch of each; and pointers come out of shared memory, so that it
// cannot know that these are in global memory and do not change.
#if defined(CUDA_ON_HOST)
template <typename T> void load_quad(bool there, T* to, const T* from) {
    if (there) copy<4>(to, from);
    else to[0] = to[1] = to[2] = to[3] = T(0);
}
#else
template <typename T> __device__ void load_quad(bool there, T* to, const T* from) {
#pragma unroll
    for (int i = 0; i < 4; i += 16 / sizeof(T)) {  // 16 bytes at a time
        uint4 bits = {0, 0, 0, 0};
        asm("{ .reg .pred there; setp.ne.u32 there, %5, 0;"
            " @there ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4]; }"
            : "+r"(bits.x), "+r"(bits.y), "+r"(bits.z), "+r"(bits.w)
            : "l"(__cvta_generic_to_global(from + i)), "r"((unsigned)there));
        memcpy(to + i, &bits, 16);
    }
}
#endif

// One number or four that another block has written.
template <int N, typename T> __device__ void copy_latest(T* to, const T* from) {
#pragma unroll
    for (int i = 0; i < N; i++) to[i] = __ldcg(from + i);
}
template <> __device__ inline void copy_latest<4, float>(float* to, const float* from) {
    *(float4*)to = __ldcg((const float4*)from);
}

// Whether quads of numbers, `unit` apart, can be moved as one: they are neighbours, and the first
// number and every fourth one in the other directions lie on multiples of 16 bytes.
template <typename T, typename... Steps>
__device__ bool aligned(const T* p, long long unit, Steps... steps) {
    return unit == 1 && (size_t)p % 16 == 0 && ((steps % 4 == 0) && ...);
}

// The numbers of SIZE rows (or columns) of a factor, DEPTH deep, side by side for each depth. The
// exchange of eights lets a warp store quads that run along the depth into 32 different banks.
template <typename T, int SIZE> struct Panel {
    static constexpr int step = SIZE + 8, length = DEPTH<T> * step;
    static constexpr int exchanged = SIZE >= 32 ? 24 : SIZE >= 16 ? 8 : 0;
    // Where row i + fixed is, if `fixed` has only bits of OWN, and i has none of them: whatever the
    // compiler knows of it is added last, and so by the instruction that reads or writes.
    template <int OWN, typename P> static __device__ P* at(P* panel, int k, int i, int fixed) {
        int exchange = k * 2 & exchanged;
        panel += i ^ (exchange & ~OWN);
        panel += k * step;
        return panel + (fixed ^ (exchange & OWN));
    }
};

// A thread's part of a tile, by multiplications and additions of its own. It is in groups of up to
// four rows and four columns, apart, so that the threads of a warp read what lies side by side.
template <typename T, class Tile> struct Sums {
    static constexpr int height = Tile::height, width = Tile::width, count = height * width;
    static constexpr int rows = height < 4 ? height : 4, across = Tile::warp_columns / width;
    static constexpr int row_step = 32 / across * rows, column_step = across * 4;  // of groups
    alignas(16) T numbers[count];

    static __device__ int first_row() {
        return Tile::warp_row() + threadIdx.x % 32 / across * rows;
    }
    static __device__ int first_column() { return Tile::warp_column() + threadIdx.x % across * 4; }
    typedef T Word;  // of a panel
    static constexpr int depth = DEPTH<T>;  // of a panel, in numbers
    // Four numbers into a panel: along the depth, or side by side.
    template <int SIZE, int OWN>
    static __device__ void keep(T* panel, int k, int i, int fixed, bool along, const T* quad) {
        typedef Panel<T, SIZE> P;
        panel = P::template at<OWN>(panel, k, i, fixed);
        if (along) {
#pragma unroll
            for (int v = 0; v < 4; v++) panel[v * P::step] = quad[v];
        } else {
            copy<4>(panel, quad);
        }
    }
    __device__ void multiply(const T* left, const T* right) {
        typedef Panel<T, Tile::rows> L;
        typedef Panel<T, Tile::columns> R;
        constexpr int own_rows = Tile::warp_rows - row_step;
        constexpr int own_columns = Tile::warp_columns - column_step;
#pragma unroll
        for (int k = 0; k < DEPTH<T>; k++) {
            alignas(16) T a[height], b[width];
#pragma unroll
            for (int i = 0; i < height; i += rows)
                copy<rows>(a + i, L::template at<own_rows>(left, k, first_row(),
                                                           i / rows * row_step));
#pragma unroll
            for (int j = 0; j < width; j += 4)
                copy<4>(b + j, R::template at<own_columns>(right, k, first_column(),
                                                           j / 4 * column_step));
#pragma unroll
            for (int i = 0; i < count; i++) numbers[i] += a[i / width] * b[i % width];
        }
    }
    template <class Result> __device__ void store(const Result& y, int top, int left) {
#pragma unroll
        for (int i = 0; i < count; i += 4)
            y.template store<4>(
                top + first_row() + i / width / rows * row_step + i / width % rows,
                left + first_column() + i % width / 4 * column_step, numbers + i);
    }
};
