// Functions of numbers at one place: what the elementwise kernels do, for float and double.
// Comparisons are written so that NaN goes where NumPy's go.
#pragma once

template <typename T> __device__ T infinity() {
    T zero = 0;
    return 1 / zero;
}
template <typename T> __device__ T square(T x) { return x * x; }
template <typename T> __device__ T reciprocal(T x) { return T(1) / x; }
template <typename T> __device__ T inverse_root(T x) { return T(1) / sqrt(x); }
template <typename T> __device__ T sign(T x) {
    return x != x ? x : T((x > T(0)) - (x < T(0)));
}
template <typename T> __device__ T larger(T x, T y) { return x > y || x != x ? x : y; }
template <typename T> __device__ T smaller(T x, T y) { return x < y || x != x ? x : y; }

template <typename T> __device__ T remainder_of(T x, T y) {
    T rest = fmod(x, y);
    return rest != T(0) && (rest < T(0)) != (y < T(0)) ? rest + y : rest;
}
template <typename T> __device__ T floor_divide(T x, T y) {
    if (y == T(0)) return x / y;
    T rest = fmod(x, y), below = (x - rest) / y;
    if (rest != T(0) && (rest < T(0)) != (y < T(0))) below -= T(1);
    T whole = floor(below);
    return below - whole > T(0.5) ? whole + T(1) : whole;
}

// -- activations and their derivatives ----------------------------------------------------------

template <typename T> __device__ T relu(T x) { return x <= T(0) ? T(0) : x; }
template <typename T> __device__ T leaky_relu(T x, T slope) { return x > T(0) ? x : x * slope; }
template <typename T> __device__ T leaky_relu_grad(T g, T sign, T slope) {
    return sign > T(0) ? g : g * slope;
}
template <typename T> __device__ T hardtanh(T x, T low, T high) {
    T y = x < low ? low : x;
    return y > high ? high : y;
}
template <typename T> __device__ T hardtanh_grad(T g, T y, T low, T high) {
    return y > low && y < high ? g : T(0);
}
template <typename T> __device__ T tanh_grad(T g, T y) { return g * (T(1) - y * y); }
template <typename T> __device__ T sigmoid(T x) {
    T small = exp(-abs(x)), y = T(1) / (T(1) + small);
    return x >= T(0) || x != x ? y : small * y;
}
template <typename T> __device__ T sigmoid_grad(T g, T y) { return g * (y * (T(1) - y)); }
template <typename T> __device__ T softplus_of(T x) {
    return (x > T(0) ? x : T(0)) + log1p(exp(-abs(x)));
}
template <typename T> __device__ T softplus(T x, T beta, T threshold) {
    T z = x * beta;
    return z > threshold ? x : softplus_of(z) / beta;
}
template <typename T> __device__ T softplus_grad(T g, T x, T beta, T threshold) {
    T z = x * beta;
    return z > threshold ? g : g * sigmoid(z);
}
template <typename T> __device__ T silu(T x) { return x * sigmoid(x); }
template <typename T> __device__ T silu_grad(T g, T x) {
    T s = sigmoid(x);
    return g * (s * (T(1) + x * (T(1) - s)));
}
template <typename T> __device__ T elu(T x, T alpha) { return x > T(0) ? x : alpha * expm1(x); }
template <typename T> __device__ T elu_grad(T g, T x, T alpha) {
    return x > T(0) ? g : g * (alpha * exp(x));
}
template <typename T> __device__ T selu(T x) {
    return T(1.0507009873554805) * elu(x, T(1.6732632423543772));
}
template <typename T> __device__ T selu_grad(T g, T x) {
    return g * (T(1.0507009873554805) * (x > T(0) ? T(1) : T(1.6732632423543772) * exp(x)));
}
// by tanh: x sigmoid(2 z), z = sqrt(2 / pi) (x + 0.044715 x^3)
template <typename T> __device__ T gelu_tanh(T x) {
    return x * sigmoid(x * (T(1.5957691216057308) + T(0.07135481627260025) * x * x));
}
template <typename T> __device__ T gelu_tanh_grad(T g, T x) {
    T linear = T(1.5957691216057308), cubic = T(0.07135481627260025) * x * x;
    T s = sigmoid(x * (linear + cubic));
    return g * (s * (T(1) + (T(1) - s) * (x * (linear + T(3) * cubic))));
}
template <typename T> __device__ T gelu(T x) {
    return x * (erf(x * T(0.7071067811865476)) + T(1)) * T(0.5);
}
template <typename T> __device__ T gelu_grad(T g, T x) {
    T below = (erf(x * T(0.7071067811865476)) + T(1)) * T(0.5);
    return g * (below + x * (T(0.3989422804014327) * exp(T(-0.5) * x * x)));
}

// -- losses by element --------------------------------------------------------------------------

template <typename T> __device__ T logistic_loss(T x, T t) {
    T tail = log1p(exp(-abs(x)));
    return (T(1) - t) * ((x > T(0) ? x : T(0)) + tail) + t * ((x > T(0) ? T(0) : -x) + tail);
}
template <typename T> __device__ T logistic_loss_grad(T g, T x, T t) {
    return g * ((T(1) - t) * sigmoid(x) - t * sigmoid(-x));
}
template <typename T> __device__ T bernoulli_cross_entropy(T p, T t) {
    T log_p = log(p), log_not_p = log1p(-p);
    log_p = log_p < T(-100) ? T(-100) : log_p;
    log_not_p = log_not_p < T(-100) ? T(-100) : log_not_p;
    return (t - T(1)) * log_not_p - t * log_p;
}
template <typename T> __device__ T bernoulli_cross_entropy_grad(T g, T p, T t) {
    T variance = p * (T(1) - p);
    return g * (p - t) / (variance < T(1e-12) ? T(1e-12) : variance);
}
template <typename T> __device__ T huber(T x, T t, T delta) {
    T far = abs(x - t), near = far > delta ? delta : far;
    return near * (far - near * T(0.5));
}
template <typename T> __device__ T huber_grad(T g, T x, T t, T delta) {
    T d = x - t;
    d = d > delta ? delta : d;
    return g * (d < -delta ? -delta : d);
}

// -- what kernels apply to their results ----------------------------------------------------------

enum Activation { NONE, RELU, LEAKY_RELU, TANH, SIGMOID };  // the same as ACTIVATIONS in product.py
// called: written out for all numbers of a thread they are most of a product's code
template <typename T> __device__ __noinline__ T curved(T x, int activation) {
    return activation == TANH ? tanh(x) : sigmoid(x);
}
template <typename T> __device__ T activated(T x, int activation, T slope) {
    if (activation == RELU) return relu(x);
    if (activation == LEAKY_RELU) return leaky_relu(x, slope);
    return activation == NONE ? x : curved(x, activation);
}
