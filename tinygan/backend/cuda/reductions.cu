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
