// V numbers side by side, moved at once where they lie on their own size.
#pragma once

template <typename T, int V> struct alignas(V * sizeof(T)) Pack { T of[V]; };

template <int V, typename T> __device__ void load(const T* from, T (&to)[V]) {
    if (V > 1 && (size_t)from % sizeof(Pack<T, V>) == 0) {
        Pack<T, V> pack = *(const Pack<T, V>*)from;
        for (int v = 0; v < V; v++) to[v] = pack.of[v];
    } else {
        for (int v = 0; v < V; v++) to[v] = from[v];
    }
}

template <int V, typename T> __device__ void store(const T (&from)[V], T* to) {
    if (V > 1 && (size_t)to % sizeof(Pack<T, V>) == 0) {
        Pack<T, V> pack;
        for (int v = 0; v < V; v++) pack.of[v] = from[v];
        *(Pack<T, V>*)to = pack;
    } else {
        for (int v = 0; v < V; v++) to[v] = from[v];
    }
}
