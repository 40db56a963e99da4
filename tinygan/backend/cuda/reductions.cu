#include "sets.cuh"
#include "functions.cuh"

const int SUM = 0, NORM = 1, MAXIMUM = 2, MINIMUM = 3;

template <typename T, int KIND> struct Total {
    static const int FIELDS = 1;
    T total;

    __device__ Total() {
        total = KIND == MAXIMUM ? -infinity<T>() : KIND == MINIMUM ? infinity<T>() : T(0);
    }
    __device__ void add(T x) {
        x = KIND == NORM ? x * x : x;
        merge(&total, &x);
    }
    __device__ void get(T* state) const { *state = total; }
    static __device__ void merge(T* a, const T* b) {
        *a = KIND == MAXIMUM ? larger(*a, *b) : KIND == MINIMUM ? smaller(*a, *b) : *a + *b;
    }
};

template <typename T, int KIND> struct Reduction : Over<Total<T, KIND>, T> {
    T divisor;
    T* y;

    __device__ Reduction(const T* x, T divisor, T* y)
        : Over<Total<T, KIND>, T>{x}, divisor(divisor), y(y) {}
    __device__ void put(const T* state, int set) const {
        y[set] = KIND == NORM ? sqrt(*state) : KIND == SUM ? *state / divisor : *state;
    }
};

template <typename T, int WIDE, int KIND>
__global__ void __launch_bounds__(THREADS, 4)
    reduced(Sets sets, const T* x, T divisor, T* partial, T* y) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    reduce<V>(Reduction<T, KIND>(x, divisor, y), sets, partial);
}

// Where the first of the largest numbers is; NaN is larger than all. The smallest: of -x.
template <typename T, int SMALLEST> struct Argument {
    using Number = T;
    static const int FIELDS = 2;
    const T* x;
    int by_line;
    long long* y;

    struct Part {
        T best = -infinity<T>(), index = infinity<T>();
        __device__ void get(T* state) const {
            state[0] = best;
            state[1] = index;
        }
    };
    template <int V> __device__ void begin(Part (&)[V], int, long long, bool) const {}
    template <int V> __device__ void add(Part (&parts)[V], long long place, int i) const {
        T values[V];
        load<V>(x + place, values);
        for (int v = 0; v < V; v++) {
            T own[2], next[2] = {SMALLEST ? -values[v] : values[v], T(by_line ? i * V + v : i)};
            parts[v].get(own);
            merge(own, next);
            parts[v].best = own[0];
            parts[v].index = own[1];
        }
    }
    static __device__ void merge(T* a, const T* b) {
        bool a_nan = a[0] != a[0], b_nan = b[0] != b[0];
        bool ties = b[0] == a[0] || (a_nan && b_nan);
        if (b[0] > a[0] || (b_nan && !a_nan) || (ties && b[1] < a[1])) {
            a[0] = b[0];
            a[1] = b[1];
        }
    }
    __device__ void put(const T* state, int set) const { y[set] = (long long)state[1]; }
};

template <typename T, int WIDE, int SMALLEST>
__global__ void __launch_bounds__(THREADS, 4)
    argument(Sets sets, const T* x, T* partial, long long* y) {
    Argument<T, SMALLEST> op{x, sets.by_line, y};
    reduce<WIDE ? 16 / sizeof(T) : 1>(op, sets, partial);
}
