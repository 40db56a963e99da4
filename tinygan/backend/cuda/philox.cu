// Random numbers from a generator's state, [key, counter]. A thread computes a block of words; the
// last block of threads to be done moves the counter on.
#include "last.cuh"
#include "philox.cuh"

struct alignas(16) Block { unsigned words[4]; };

__device__ inline long long block_number() {
    return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ inline void advance(unsigned long long* state, long long blocks) {
    if (is_last_block() && threadIdx.x == 0) state[1] += blocks;
}

// y[i] = the i-th number, uniform or normal.
template <typename T, int is_normal>
__global__ void draw(unsigned long long* state, T* y, long long size) {
    const int count = 16 / sizeof(T);
    const long long i = block_number() * count;
    if (i < size) {
        const uint4 words = philox(state[0], state[1] + block_number());
        alignas(16) T numbers[count];
        if (is_normal) normal(words, numbers);
        else uniform(words, numbers);
        if (i + count <= size && (size_t)y % 16 == 0) {
            *(Block*)(y + i) = *(Block*)numbers;
        } else {
            for (int k = 0; k < count && i + k < size; k++) y[i + k] = numbers[k];
        }
    }
    advance(state, (size + count - 1) / count);
}

// y[i] = low + the i-th word of 64 bits mod count, which is 0 for 2^64.
__global__ void integers(unsigned long long* state, long long* y, long long size, long long low,
                         unsigned long long count) {
    const long long i = block_number() * 2;
    if (i < size) {
        const uint4 w = philox(state[0], state[1] + block_number());
        const unsigned long long words[2] = {joined(w.x, w.y), joined(w.z, w.w)};
        for (int k = 0; k < 2 && i + k < size; k++)
            y[i + k] = (long long)((count ? words[k] % count : words[k]) + low);
    }
    advance(state, (size + 1) / 2);
}

// y = keep where a number is at least p, else 0. Memory holds images of pixels of channels, the
// numbers fill an image channel by channel.
template <typename T>
__global__ void mask(unsigned long long* state, float p, T keep, T* y, long long size, int pixels,
                     int channels) {
    const long long i = block_number() * 4;
    if (i < size) {
        const uint4 words = philox(state[0], state[1] + block_number());
        float numbers[4];
        uniform(words, numbers);
        for (int k = 0; k < 4 && i + k < size; k++) {
            long long place = i + k;
            if (pixels > 1) {
                const long long rest = place / pixels, image = rest / channels;
                place = (image * pixels + place % pixels) * channels + rest % channels;
            }
            y[place] = numbers[k] >= p ? keep : T(0);
        }
    }
    advance(state, (size + 3) / 4);
}
