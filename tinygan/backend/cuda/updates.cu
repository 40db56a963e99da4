// Update rules of tinygan.optim, for all parameters of a group in one launch. Numbers that change
// from step to step are read here, in double precision as the references do.
#include "functions.cuh"
#include "parameters.cuh"

template <typename T>
__global__ void adam(ARRAYS, const double* hyper, int shrinks, int decays, int maximize) {
    if (skipped(table)) return;
    __shared__ T correction, rate;
    const Row& row = own_row(table, rows);
    if (threadIdx.x == 0) correction = T(sqrt(1 - pow(hyper[2], update_number(row))));
    if (threadIdx.x == 32) rate = T(hyper[0] / (1 - pow(hyper[1], update_number(row))));
    __syncthreads();
    const T keep_m = T(hyper[1]), new_m = T(1 - hyper[1]), keep_v = T(hyper[2]);
    const T new_v = T(1 - hyper[2]), eps = T(hyper[3]), weight_decay = T(hyper[4]);
    const T shrink = shrinks ? T(1 - hyper[0] * hyper[4]) : T(1);
    const T root = correction, lr = rate;
    const bool keeps_largest = row.arrays[4];
    change_chunk<5, T>(row, length, [=](T* x) {
        T &p = x[0], &m = x[2], &v = x[3], &v_max = x[4], g = maximize ? -x[1] : x[1];
        p *= shrink;
        if (decays && !shrinks) g += weight_decay * p;
        m = keep_m * m + new_m * g;
        v = keep_v * v + new_v * g * g;
        if (keeps_largest) v_max = larger(v_max, v);
        p -= lr * m / (sqrt(keeps_largest ? v_max : v) / root + eps);
    });
    count_steps(table, counted);
}

template <typename T>
__global__ void sgd(ARRAYS, const double* hyper, int decays, int nesterov, int maximize) {
    if (skipped(table)) return;
    const Row& row = own_row(table, rows);
    const T lr = T(hyper[0]), momentum = T(hyper[1]), taken = T(1) - T(hyper[2]);
    const T weight_decay = T(hyper[3]);
    const bool moves = row.arrays[2];
    change_chunk<3, T>(row, length, [=](T* x) {
        T &p = x[0], &buffer = x[2], g = maximize ? -x[1] : x[1];
        if (decays) g += weight_decay * p;
        if (moves) {
            buffer = momentum * buffer + taken * g;
            g = nesterov ? g + momentum * buffer : buffer;
        }
        p -= lr * g;
    });
}

template <typename T>
__global__ void rmsprop(ARRAYS, const double* hyper, int decays, int maximize) {
    if (skipped(table)) return;
    const Row& row = own_row(table, rows);
    const T lr = T(hyper[0]), alpha = T(hyper[1]), taken = T(1 - hyper[1]), eps = T(hyper[2]);
    const T weight_decay = T(hyper[3]), momentum = T(hyper[4]);
    const bool centred = row.arrays[3], moves = row.arrays[4];
    change_chunk<5, T>(row, length, [=](T* x) {
        T &p = x[0], &v = x[2], &mean = x[3], &buffer = x[4], g = maximize ? -x[1] : x[1];
        if (decays) g += weight_decay * p;
        v = alpha * v + taken * g * g;
        T variance = v;
        if (centred) {
            mean = alpha * mean + taken * g;
            variance -= mean * mean;
        }
        g /= sqrt(variance) + eps;
        if (moves) g = buffer = momentum * buffer + g;
        p -= lr * g;
    });
    count_steps(table, counted);
}

template <typename T>
__global__ void adagrad(ARRAYS, const double* hyper, int decays, int maximize) {
    if (skipped(table)) return;
    const Row& row = own_row(table, rows);
    const T rate = T(hyper[0] / (1 + (update_number(row) - 1) * hyper[1]));
    const T eps = T(hyper[2]), weight_decay = T(hyper[3]);
    change_chunk<3, T>(row, length, [=](T* x) {
        T &p = x[0], &total = x[2], g = maximize ? -x[1] : x[1];
        if (decays) g += weight_decay * p;
        total += g * g;
        p -= rate * g / (sqrt(total) + eps);
    });
    count_steps(table, counted);
}

template <typename T> __global__ void average(ARRAYS, const double* hyper, int warmup) {
    const Row& row = own_row(table, rows);
    double d = hyper[0];
    if (warmup) {
        const double t = update_number(row);
        d = min(d, (1 + t) / (10 + t));
    }
    const T taken = T(1 - d);
    change_chunk<2, T>(row, length, [=](T* x) { x[0] += taken * (x[1] - x[0]); });
    count_steps(table, counted);
}

// Sizes are in bytes, whatever the types.
__global__ void follow(ARRAYS) {
    const Row& row = own_row(table, rows);
    change_chunk<2, unsigned char>(row, length, [](unsigned char* x) { x[0] = x[1]; });
}
