// Sets of numbers in memory: those that are added up together, or brought to one scale.
//
// Set k begins at k / inner * outer_step + k % inner * inner_step; its `size` numbers lie in lines
// of `width`. `along` threads of a block share a set, which are neighbours where the numbers of a
// set are (`by_line`); else neighbours are in neighbouring sets. Long sets are cut into pieces, of
// a block each. A unit of work is V numbers side by side: of one set, or of V sets.
#pragma once
#include "packs.cuh"

const int THREADS = 256;

struct Sets {
    int count, inner;
    long long outer_step, inner_step;
    int size, width;
    long long line_step, step;
    int along, by_line, pieces;

    __device__ long long place(int i) const {
        return width == size ? i * step : i / width * line_step + i % width * step;
    }
};

struct Share {  // of a thread: units first, first + along, ... before last of a set
    int set, lane, piece, first, last;
    long long start;

    __device__ Share(const Sets& sets, int block) {
        int t = threadIdx.x, together = THREADS / sets.along;
        lane = sets.by_line ? t % sets.along : t / together;
        set = block / sets.pieces * together + (sets.by_line ? t / sets.along : t % together);
        piece = block % sets.pieces;
        int length = (sets.size + sets.pieces - 1) / sets.pieces;
        first = piece * length;
        last = set < sets.count ? min(first + length, sets.size) : first;
        first += lane;
        start = set / sets.inner * sets.outer_step + set % sets.inner * sets.inner_step;
    }
};

// What becomes of a set is an Op: Number, FIELDS, and a Part, what a thread gathers of a set and
// get() makes a state of, FIELDS numbers; begin() prepares parts, add() reads unit i, V numbers,
// merge() joins two states, put() writes the result of a set.

// The state of each set in the block, or of its piece, for all threads that share it.
template <int V, typename Op>
__device__ void gather(
    const Op& op, const Sets& sets, const Share& own, typename Op::Number (&state)[V][Op::FIELDS]
) {
    using T = typename Op::Number;
    const int FIELDS = Op::FIELDS;
    __shared__ T shared[V * FIELDS][THREADS];
    typename Op::Part parts[V];
    if (own.first < own.last) op.template begin<V>(parts, own.set, own.start, sets.by_line);
#pragma unroll 4
    for (int i = own.first; i < own.last; i += sets.along)
        op.template add<V>(parts, own.start + sets.place(i), i);
    for (int v = 0; v < V; v++) parts[v].get(state[v]);
    if (sets.by_line)
        for (int v = 1; v < V; v++) Op::merge(state[0], state[v]);
    int t = threadIdx.x, apart = sets.by_line ? 1 : THREADS / sets.along;
    for (int v = 0; v < V; v++)
        for (int f = 0; f < FIELDS; f++) shared[v * FIELDS + f][t] = state[v][f];
    for (int half = sets.along / 2; half; half /= 2) {
        __syncthreads();
        if (own.lane < half)
            for (int v = 0; v < V; v++) {
                T other[FIELDS];
                for (int f = 0; f < FIELDS; f++)
                    other[f] = shared[v * FIELDS + f][t + half * apart];
                Op::merge(state[v], other);
                for (int f = 0; f < FIELDS; f++) shared[v * FIELDS + f][t] = state[v][f];
            }
    }
    __syncthreads();
    int first = t - own.lane * apart;
    for (int v = 0; v < V; v++)
        for (int f = 0; f < FIELDS; f++)
            state[v][f] = shared[(sets.by_line ? 0 : v) * FIELDS + f][first];
}

// The states of pieces, (FIELDS, pieces, sets), as an Op. Other blocks wrote them in this launch.
template <typename Op> struct Pieces {
    using Number = typename Op::Number;
    static const int FIELDS = Op::FIELDS;
    const Number* partial;
    long long field;  // from one field to the next

    struct Part {
        Number of[FIELDS];
        __device__ Part() { typename Op::Part().get(of); }
        __device__ void get(Number* state) const {
            for (int f = 0; f < FIELDS; f++) state[f] = of[f];
        }
    };
    template <int V> __device__ void begin(Part (&)[V], int, long long, bool) const {}
    template <int V> __device__ void add(Part (&parts)[V], long long place, int) const {
        Number other[FIELDS];
        for (int f = 0; f < FIELDS; f++) other[f] = __ldcg(partial + f * field + place);
        Op::merge(parts[0].of, other);
    }
    static __device__ void merge(Number* a, const Number* b) { Op::merge(a, b); }
};

// Of the sets that a block has, how many of their pieces are done; 0 again after the launch.
// Launches of a kernel follow one another.
static __device__ unsigned pieces_done[512];

__device__ inline bool is_last_piece(int group, int pieces) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        last = atomicAdd(&pieces_done[group], 1u) == pieces - 1;
        if (last) pieces_done[group] = 0;
    }
    __syncthreads();
    return last;
}

// Each set brought to a state, which is put; that of a long one by the block whose piece is last.
template <int V, typename Op, typename T>
__device__ void reduce(const Op& op, const Sets& sets, T* partial) {
    Share own(sets, blockIdx.x);
    T state[V][Op::FIELDS];
    gather<V>(op, sets, own, state);
    int values = sets.by_line ? 1 : V, count = sets.count * values;
    bool writes = own.lane == 0 && own.set < sets.count;
    for (int v = 0; v < V; v++) {
        if (v >= values || !writes) break;
        int set = own.set * values + v;
        if (sets.pieces == 1) {
            op.put(state[v], set);
        } else {
            for (int f = 0; f < Op::FIELDS; f++)
                partial[(f * sets.pieces + own.piece) * count + set] = state[v][f];
        }
    }
    int group = blockIdx.x / sets.pieces;
    if (sets.pieces == 1 || !is_last_piece(group, sets.pieces)) return;
    // the pieces of the group's sets, which are side by side: as many sets in a block as before
    int along = THREADS / (THREADS / sets.along * values);
    Sets rest = {count, count, 0, 1, sets.pieces, sets.pieces, 0, count, along, 0, 1};
    Share mine(rest, group);
    T merged[1][Op::FIELDS];
    gather<1>(Pieces<Op>{partial, (long long)sets.pieces * count}, rest, mine, merged);
    if (mine.lane == 0 && mine.set < count) op.put(merged[0], mine.set);
}

// What needs but the numbers of one array: Gathered is the Part.
template <typename Gathered, typename T> struct Over {
    using Number = T;
    using Part = Gathered;
    static const int FIELDS = Gathered::FIELDS;
    const T* x;

    template <int V> __device__ void begin(Part (&)[V], int, long long, bool) const {}
    template <int V> __device__ void add(Part (&parts)[V], long long place, int) const {
        T values[V];
        load<V>(x + place, values);
        for (int v = 0; v < V; v++) parts[v].add(values[v]);
    }
    static __device__ void merge(T* a, const T* b) { Gathered::merge(a, b); }
};

// Each number changed by what belongs to its set: op.of(set) and op.apply(those of V, place). It
// begins at the end, which the launch before has read last: that is still in the cache.
template <int V, typename Op> __device__ void each(const Op& op, const Sets& sets) {
    Share own(sets, gridDim.x - 1 - blockIdx.x);
    if (own.first >= own.last) return;
    typename Op::OfSet those[V];
    for (int v = 0; v < V; v++) those[v] = op.of(sets.by_line ? own.set : own.set * V + v);
#pragma unroll 2
    for (int i = own.first; i < own.last; i += sets.along)
        op.template apply<V>(those, own.start + sets.place(i));
}
