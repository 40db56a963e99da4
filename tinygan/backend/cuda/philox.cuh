// Philox 4x32-10 and the numbers made of its words; tinygan/backend/philox.py has the formulas.
#pragma once

// The four words of a block. Its counter has 64 bits, the upper two words are 0.
__device__ inline uint4 philox(unsigned long long key, unsigned long long counter) {
    unsigned c0 = (unsigned)counter, c1 = (unsigned)(counter >> 32), c2 = 0, c3 = 0;
    unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);
    for (int round = 0; round < 10; round++) {
        unsigned low0 = 0xD2511F53u * c0, high0 = __umulhi(0xD2511F53u, c0);
        unsigned low1 = 0xCD9E8D57u * c2, high1 = __umulhi(0xCD9E8D57u, c2);
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {c0, c1, c2, c3};
}

__device__ inline unsigned long long joined(unsigned low, unsigned high) {
    return (unsigned long long)high << 32 | low;
}

// -- uniform in [0, 1) ----------------------------------------------------------------------------

__device__ inline float uniform(unsigned w) { return (float)(w >> 8) * 0x1p-24f; }
__device__ inline void uniform(uint4 w, float* y) {
    y[0] = uniform(w.x);
    y[1] = uniform(w.y);
    y[2] = uniform(w.z);
    y[3] = uniform(w.w);
}
__device__ inline void uniform(uint4 w, double* y) {
    y[0] = (double)(joined(w.x, w.y) >> 11) * 0x1p-53;
    y[1] = (double)(joined(w.z, w.w) >> 11) * 0x1p-53;
}

// -- normal ---------------------------------------------------------------------------------------

// The angle is taken in [-pi, pi), where its rounding is smallest.
__device__ inline void normal(unsigned w, unsigned v, float* y) {
    float sine, cosine, radius = sqrt(-2.f * log((float)w * 0x1p-32f + 0x1p-33f));
    sincospi((float)(int)v * 0x1p-31f, &sine, &cosine);
    y[0] = radius * cosine;
    y[1] = radius * sine;
}
__device__ inline void normal(uint4 w, float* y) {
    normal(w.x, w.y, y);
    normal(w.z, w.w, y + 2);
}
__device__ inline void normal(uint4 w, double* y) {
    double u = (double)(joined(w.x, w.y) >> 11) * 0x1p-53 + 0x1p-54;
    double sine, cosine, radius = sqrt(-2. * log(u));
    sincospi((double)(joined(w.z, w.w) >> 11) * 0x1p-52, &sine, &cosine);
    y[0] = radius * cosine;
    y[1] = radius * sine;
}
