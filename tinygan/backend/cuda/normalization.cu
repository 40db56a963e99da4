#include "sets.cuh"
#include "functions.cuh"

// Count, mean and the sum of the squares around it. A thread gathers sums around its own first
// number, near which the others may be expected; means are kept as their distances from the first
// number of the set, for the digits. Source of the merging: Chan, Golub, LeVeque, 1979.
template <typename T> struct AroundFirst {
    static const int FIELDS = 4;
    T shift = 0, first = 0, second = 0, count = 0, origin = 0;

    __device__ void add(T x) {
        if (count == T(0) && isfinite(x)) shift = x;
        x -= shift;
        first += x;
        second += x * x;
        count += T(1);
    }
    __device__ void get(T* state) const {
        T mean = count == T(0) ? T(0) : first / count, squares = second - mean * first;
        state[0] = count;
        state[1] = (shift - origin) + mean;
        state[2] = squares < T(0) ? T(0) : squares;
        state[3] = origin;
    }
    static __device__ void merge(T* a, const T* b) {
        if (b[0] == T(0)) return;
        T count = a[0] + b[0], share = b[0] / count, gap = b[1] - a[1];
        if (a[0] == T(0)) {
            a[1] = b[1];
            a[2] = b[2];
            a[3] = b[3];
        } else {
            a[1] = a[1] * (a[0] / count) + b[1] * share;
            a[2] += b[2] + gap * gap * (a[0] * share);
        }
        a[0] = count;
    }
};

template <typename T> struct Moments : Over<AroundFirst<T>, T> {
    T* y;
    int total;

    __device__ Moments(const T* x, T* y, int total)
        : Over<AroundFirst<T>, T>{x}, y(y), total(total) {}
    template <int V>
    __device__ void begin(AroundFirst<T> (&parts)[V], int, long long start, bool by_line) const {
        for (int v = 0; v < V; v++) {
            T number = this->x[start + (by_line ? 0 : v)];
            parts[v].origin = isfinite(number) ? number : T(0);
        }
    }
    __device__ void put(const T* state, int set) const {
        y[set] = state[3] + state[1];
        y[total + set] = state[2] / state[0];
    }
};

// sum(g) and sum(g (x - mean)); put with the second divided by the deviation.
template <typename T> struct Slopes {
    using Number = T;
    static const int FIELDS = 2;
    const T *g, *x, *moments;
    T eps;
    T* y;
    int total;

    struct Part {
        T mean, first = 0, second = 0;
        __device__ void get(T* state) const {
            state[0] = first;
            state[1] = second;
        }
    };
    template <int V>
    __device__ void begin(Part (&parts)[V], int set, long long, bool by_line) const {
        for (int v = 0; v < V; v++) parts[v].mean = moments[by_line ? set : set * V + v];
    }
    template <int V> __device__ void add(Part (&parts)[V], long long place, int) const {
        T gs[V], xs[V];
        load<V>(g + place, gs);
        load<V>(x + place, xs);
        for (int v = 0; v < V; v++) {
            parts[v].first += gs[v];
            parts[v].second += gs[v] * (xs[v] - parts[v].mean);
        }
    }
    static __device__ void merge(T* a, const T* b) {
        a[0] += b[0];
        a[1] += b[1];
    }
    __device__ void put(const T* state, int set) const {
        y[set] = state[0];
        y[total + set] = state[1] / sqrt(moments[total + set] + eps);
    }
};

// f((x - mean) / sqrt(var + eps) weight + bias), f as in a product's epilogue.
template <typename T> struct Normalized {
    const T *x, *moments;
    T eps;
    const T *weight, *bias;
    int weighted, shifted, activation;
    T slope;
    T* y;
    int total;

    struct OfSet { T mean, scale, shift; };
    __device__ OfSet of(int set) const {
        T scale = (weighted ? weight[set] : T(1)) / sqrt(moments[total + set] + eps);
        return {moments[set], scale, shifted ? bias[set] : T(0)};
    }
    template <int V> __device__ void apply(const OfSet (&those)[V], long long place) const {
        T xs[V];
        load<V>(x + place, xs);
        for (int v = 0; v < V; v++) {
            T z = (xs[v] - those[v].mean) * those[v].scale + those[v].shift;
            xs[v] = activated(z, activation, slope);
        }
        store<V>(xs, y + place);
    }
};

// weight / sqrt(var + eps) (g - sum(g) / n - normal sum(g normal) / n), normal that of x.
template <typename T> struct InputGrad {
    const T *g, *x, *moments;
    T eps;
    const T* weight;
    int weighted;
    const T* sums;
    T* y;
    int total;
    T count;

    struct OfSet { T mean, scale, by_x, shift; };
    __device__ OfSet from(int set, T first, T second) const {
        T inverse = T(1) / sqrt(moments[total + set] + eps);
        T scale = weighted ? inverse * weight[set] : inverse;
        return {moments[set], scale, scale * inverse * (second / count), scale * (first / count)};
    }
    __device__ OfSet of(int set) const { return from(set, sums[set], sums[total + set]); }
    template <int V> __device__ void apply(const OfSet (&those)[V], long long place) const {
        T gs[V], xs[V];
        load<V>(g + place, gs);
        load<V>(x + place, xs);
        for (int v = 0; v < V; v++)
            xs[v] = those[v].scale * gs[v] - those[v].shift -
                    (xs[v] - those[v].mean) * those[v].by_x;
        store<V>(xs, y + place);
    }
};

template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    moments(Sets sets, const T* x, T* partial, T* y, int total) {
    reduce<WIDE ? 16 / sizeof(T) : 1>(Moments<T>(x, y, total), sets, partial);
}

template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    slopes(
        Sets sets, const T* g, const T* x, const T* moments, T eps, T* partial, T* y, int total
    ) {
    Slopes<T> op{g, x, moments, eps, y, total};
    reduce<WIDE ? 16 / sizeof(T) : 1>(op, sets, partial);
}

template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    normalized(
        Sets sets, const T* x, const T* moments, T eps, const T* weight, int weighted,
        const T* bias, int shifted, int activation, T slope, T* y, int total
    ) {
    Normalized<T> op{x, moments, eps, weight, bias, weighted, shifted, activation, slope, y, total};
    each<WIDE ? 16 / sizeof(T) : 1>(op, sets);
}

template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    input_grad(
        Sets sets, const T* g, const T* x, const T* moments, T eps, const T* weight, int weighted,
        const T* sums, T* y, int total, T numbers
    ) {
    InputGrad<T> op{g, x, moments, eps, weight, weighted, sums, y, total, numbers};
    each<WIDE ? 16 / sizeof(T) : 1>(op, sets);
}

// Both at once, for sets that are not cut into pieces: the second reading is from the cache.
template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    input_grad_of_whole(
        Sets sets, const T* g, const T* x, const T* moments, T eps, T* y, int total, T numbers
    ) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Share own(sets, blockIdx.x);
    T state[V][2];
    gather<V>(Slopes<T>{g, x, moments, eps, nullptr, total}, sets, own, state);
    if (own.first >= own.last) return;
    InputGrad<T> op{g, x, moments, eps, nullptr, 0, nullptr, y, total, numbers};
    typename InputGrad<T>::OfSet those[V];
    for (int v = 0; v < V; v++) {
        int set = sets.by_line ? own.set : own.set * V + v;
        those[v] = op.from(set, state[v][0], state[v][1] / sqrt(moments[total + set] + eps));
    }
    for (int i = own.first; i < own.last; i += sets.along)
        op.apply(those, own.start + sets.place(i));
}

template <typename T>
__global__ void running(
    const T* moments, T* mean, T* var, int channels, T momentum, T correction
) {
    int c = blockIdx.x * THREADS + threadIdx.x;
    if (c >= channels) return;
    mean[c] = mean[c] * (T(1) - momentum) + momentum * moments[c];
    var[c] = var[c] * (T(1) - momentum) + momentum * correction * moments[channels + c];
}
