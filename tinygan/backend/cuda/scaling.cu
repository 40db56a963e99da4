// Gradients of a scaled loss, and the scale of the next one.
#include "functions.cuh"
#include "parameters.cuh"

// Gradients divided by the scale; table.found is set where one of them is not finite.
template <typename T> __global__ void unscale(ARRAYS, const float* scale) {
    const Row& row = own_row(table, rows);
    const T inverse = T(float(1 / (double)*scale));
    bool bad = false;
    change_chunk<2, T>(row, length, [&](T* x) {
        bad |= !(abs(x[1]) < infinity<T>());
        x[0] = x[1] * inverse;
    });
    if (bad) *table.found = 1;  // whoever writes it writes the same
}

// One thread for each of `found`, a warp of them.
__global__ void adapt(float* scale, float* tracker, float* found, const double* numbers) {
    const double growth = numbers[0], backoff = numbers[1], interval = numbers[2];
    const bool bad = __ballot_sync(~0u, found[threadIdx.x] != 0);
    found[threadIdx.x] = 0;
    if (threadIdx.x) return;
    if (bad) {
        *scale = float(*scale * backoff);
        *tracker = 0;
    } else if (*tracker + 1 == interval) {
        const float larger = float(*scale * growth);
        if (larger < infinity<float>()) *scale = larger;
        *tracker = 0;
    } else {
        *tracker += 1;
    }
}
