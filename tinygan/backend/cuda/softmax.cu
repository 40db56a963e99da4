#include "sets.cuh"
#include "functions.cuh"
#include "last.cuh"

// The largest number and the sum of exp(x - largest), in one reading.
template <typename T> struct Exponentials {
    static const int FIELDS = 2;
    T top = -infinity<T>(), total = 0;

    __device__ void add(T x) {
        if (x > top) {
            total = total * exp(top - x) + T(1);
            top = x;
        } else if (x == top) {
            total += x > -infinity<T>() ? T(1) : T(0);
        } else {
            total += exp(x - top);
        }
    }
    __device__ void get(T* state) const {
        state[0] = top;
        state[1] = total;
    }
    static __device__ void merge(T* a, const T* b) {
        if (b[0] > a[0]) {
            a[1] = a[1] * exp(a[0] - b[0]) + b[1];
            a[0] = b[0];
        } else {
            a[1] += b[0] == a[0] ? b[1] : b[1] * exp(b[0] - a[0]);
        }
    }
};

template <typename T> struct LogSum : Over<Exponentials<T>, T> {
    T* y;

    __device__ LogSum(const T* x, T* y) : Over<Exponentials<T>, T>{x}, y(y) {}
    __device__ void put(const T* state, int set) const { y[set] = log(state[1]) + state[0]; }
};

template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4) logsumexp(Sets sets, const T* x, T* partial, T* y) {
    reduce<WIDE ? 16 / sizeof(T) : 1>(LogSum<T>(x, y), sets, partial);
}

// exp(x) / sum(exp(x)), or its logarithm.
template <typename T, int WIDE, int LOGARITHM>
__global__ void __launch_bounds__(THREADS, 4) softmax(Sets sets, const T* x, T* y) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Share own(sets, blockIdx.x);
    T state[V][2];
    gather<V>(Over<Exponentials<T>, T>{x}, sets, own, state);
    for (int v = 0; v < V; v++) {
        state[v][1] += state[v][0] - state[v][0];  // nan if the largest number is infinite
        state[v][1] = LOGARITHM ? log(state[v][1]) : T(1) / state[v][1];
    }
    for (int i = own.first; i < own.last; i += sets.along) {
        T values[V];
        long long place = own.start + sets.place(i);
        load<V>(x + place, values);
        for (int v = 0; v < V; v++) {
            T z = values[v] - state[v][0];
            values[v] = LOGARITHM ? z - state[v][1] : exp(z) * state[v][1];
        }
        store<V>(values, y + place);
    }
}

// -- cross entropy ------------------------------------------------------------------------------

template <typename T> struct Classes {
    const long long* target;
    const T* weight;
    int weighted;
    T smoothing;
    long long ignored;
    int count;

    __device__ T weight_of(long long c) const { return weighted ? weight[c] : T(1); }
    __device__ bool counts(long long c) const { return c != ignored; }
    __device__ long long checked(int row) const {
        long long c = target[row];
        if (c != ignored && (c < 0 || c >= count)) {
            printf("cross_entropy expects indices from 0 to %d, got %lld\n", count - 1, c);
            __trap();
        }
        return c;
    }
};

// The sum of a number of each thread, for all threads of the block.
template <typename T> __device__ T block_sum(T own) {
    __shared__ T shared[THREADS];
    int t = threadIdx.x;
    shared[t] = own;
    for (int half = THREADS / 2; half; half /= 2) {
        __syncthreads();
        if (t < half) shared[t] += shared[t + half];
    }
    __syncthreads();
    own = shared[0];
    __syncthreads();
    return own;
}

// How many rows count, each as much as the weight of its class.
template <typename T> __device__ T count_of(const Classes<T>& classes, int rows) {
    T count = 0;
    for (int n = threadIdx.x; n < rows; n += THREADS) {
        long long c = classes.target[n];
        if (c != classes.ignored && c >= 0 && c < classes.count) count += classes.weight_of(c);
    }
    return block_sum(count);
}

// sum_c w[c] (log sum(exp(x)) - x[c]) of a row, what smoothing adds.
template <typename T> struct Spread {
    using Number = T;
    static const int FIELDS = 1;
    const T* x;
    const Classes<T>& classes;
    T whole;

    struct Part {
        T total = 0;
        __device__ void get(T* state) const { *state = total; }
    };
    template <int V> __device__ void begin(Part (&)[V], int, long long, bool) const {}
    template <int V> __device__ void add(Part (&parts)[V], long long place, int i) const {
        T values[V];
        load<V>(x + place, values);
        for (int v = 0; v < V; v++)
            parts[v].total += (whole - values[v]) * classes.weight_of(i * V + v);
    }
    static __device__ void merge(T* a, const T* b) { *a += *b; }
};

// The losses of rows; reduced (1: added, 2: averaged) by the block that is last.
template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    losses(
        Sets sets, const T* x, const long long* target, const T* weight, int weighted,
        T smoothing, long long ignored, int count, int reduction, T* losses, T* y
    ) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Classes<T> classes{target, weight, weighted, smoothing, ignored, count};
    Share own(sets, blockIdx.x);
    T state[V][2], spread[V][1];
    gather<V>(Over<Exponentials<T>, T>{x}, sets, own, state);
    T whole = log(state[0][1]) + state[0][0];
    if (smoothing != T(0)) {
        Spread<T> op{x, classes, whole};
        gather<V>(op, sets, own, spread);
    }
    if (own.lane == 0 && own.set < sets.count) {
        long long c = classes.checked(own.set);
        T loss = 0;
        if (c != ignored) {
            loss = (whole - x[own.start + c]) * classes.weight_of(c);
            if (smoothing != T(0))
                loss = (T(1) - smoothing) * loss + smoothing / count * spread[0][0];
        }
        losses[own.set] = loss;
    }
    if (reduction == 0 || !is_last_block()) return;
    T total = 0;
    for (int n = threadIdx.x; n < sets.count; n += THREADS) total += __ldcg(losses + n);
    total = block_sum(total);
    if (reduction == 2) total /= count_of(classes, sets.count);
    if (threadIdx.x == 0) *y = total;
}

// Their derivatives by x, with g of each row or of all.
template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    loss_slopes(
        Sets sets, const T* g, const T* x, const long long* target, const T* weight, int weighted,
        T smoothing, long long ignored, int count, int reduction, T* y
    ) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Classes<T> classes{target, weight, weighted, smoothing, ignored, count};
    T rows = reduction == 2 ? count_of(classes, sets.count) : T(1);
    T each = smoothing / count, all = smoothing;
    if (weighted && smoothing != T(0)) {
        all = 0;
        for (int c = threadIdx.x; c < count; c += THREADS) all += each * weight[c];
        all = block_sum(all);
    }
    Share own(sets, blockIdx.x);
    T state[V][2];
    gather<V>(Over<Exponentials<T>, T>{x}, sets, own, state);
    if (own.first >= own.last) return;
    long long c = classes.checked(own.set);
    T scale = 0, picked = 0, whole = 0;
    if (c != ignored) {
        scale = g[reduction ? 0 : own.set] / rows;
        picked = scale * (T(1) - smoothing) * classes.weight_of(c);
        whole = (picked + scale * all) / state[0][1];
        scale *= each;
    }
    for (int i = own.first; i < own.last; i += sets.along) {
        T values[V];
        load<V>(x + own.start + sets.place(i), values);
        for (int v = 0; v < V; v++) {
            int at = i * V + v;
            T slope = exp(values[v] - state[0][0]) * whole - (at == c ? picked : T(0));
            if (smoothing != T(0)) slope -= scale * classes.weight_of(at);
            values[v] = c == ignored ? T(0) : slope;
        }
        store<V>(values, y + own.start + sets.place(i));
    }
}
