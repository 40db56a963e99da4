// CUDA C++ as plain C++, so that kernels can be run where there is no GPU.
//
// The threads of a block are fibers that run in turns, from one barrier to the next; blocks run one
// after the other: the first one first, or, with TINYGAN_CUDA_ON_HOST=backwards, the last one. What
// depends on that lacks a barrier. With BLOCKS_TOGETHER several blocks run at a time, each on a
// thread of the host. Barriers that not all threads reach end the program with a message. Numbers
// below 1.2e-38 are 0, as CuPy has kernels compiled (-ftz=true); float64's below 2.2e-308, too.
// What this cannot show: speed, and the rounding of the device's own functions.
#pragma once
#include <ucontext.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#ifdef BLOCKS_TOGETHER
#define OF_BLOCK static thread_local
#else
#define OF_BLOCK static
#endif
#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __shared__ OF_BLOCK
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)
#define CUDA_ON_HOST 1
#define ENTRY extern "C" __attribute__((visibility("default")))

struct dim3 { unsigned x = 1, y = 1, z = 1; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

OF_BLOCK dim3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static const int warpSize = 32;

namespace host {
static const size_t STACK = 1 << 16;  // bytes
enum State { RUNS, AT_WARP, AT_BLOCK, DONE };
struct Fiber {
    ucontext_t context;
    State state;
    dim3 index;
    std::unique_ptr<char[]> stack;
};
OF_BLOCK std::vector<Fiber> fibers;
OF_BLOCK ucontext_t scheduler;
OF_BLOCK int current;
static void (*body)(void*);
static void* given;
OF_BLOCK unsigned long long slots[32][32];  // of warps, by lane

inline void yield(State state) {
    Fiber& own = fibers[current];
    own.state = state;
    swapcontext(&own.context, &scheduler);
}
struct Flushed {  // while it lives; processors other than x86 keep what is so small
#if defined(__SSE__) && !defined(SMALL_NUMBERS_STAY)
    unsigned before = _mm_getcsr();
    Flushed() { _mm_setcsr(before | 0x8040); }
    ~Flushed() { _mm_setcsr(before); }
#else
    Flushed() {}
#endif
};
struct Trap {};
OF_BLOCK bool trapped;
static bool backwards;
static char printed[512];  // by a kernel, since its launch
inline void start() {
    try {
        body(given);
    } catch (Trap) {
        trapped = true;
    }
    yield(DONE);
}
template <typename... A> void print(const char* format, A... values) {
    size_t used = std::strlen(printed);
    std::snprintf(printed + used, sizeof printed - used, format, values...);
}
inline const char* stopped(void (*launch)(void*), void* arguments) {  // what was printed, or null
    const Flushed flushed;
    printed[0] = 0;
    try {
        launch(arguments);
    } catch (Trap) {
        return printed;
    }
    return nullptr;
}
inline void fail(const char* message) {
    std::fprintf(stderr, "cuda on host: %s\n", message);
    std::abort();
}
static bool returned_threads_pass;  // barriers without having come to them, as on a GPU
inline bool passes(State state) { return returned_threads_pass && state == DONE; }
inline void run_block() {
    int count = blockDim.x * blockDim.y * blockDim.z;
    if ((int)fibers.size() < count) fibers.resize(count);
    for (int t = 0; t < count; t++) {
        Fiber& f = fibers[t];
        if (!f.stack) f.stack.reset(new char[STACK]);  // most of it is never touched
#if defined(__SANITIZE_ADDRESS__)  // a fiber does not return: its frames would stay forbidden
        ASAN_UNPOISON_MEMORY_REGION(f.stack.get(), STACK);
#endif
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack.get();
        f.context.uc_stack.ss_size = STACK;
        f.context.uc_link = nullptr;
        f.index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
        f.state = RUNS;
        makecontext(&f.context, start, 0);
    }
    while (true) {
        bool ran = false;
        for (int turn = 0; turn < count; turn++) {
            current = backwards ? count - 1 - turn : turn;
            if (fibers[current].state != RUNS) continue;
            threadIdx = fibers[current].index;
            swapcontext(&scheduler, &fibers[current].context);
            if (trapped) return;
            ran = true;
        }
        bool freed = false, done = true, together = true;
        for (int first = 0; first < count; first += 32) {
            bool ready = true, waits = false;
            for (int t = first; t < count && t < first + 32; t++) {
                ready &= fibers[t].state == AT_WARP || fibers[t].state == DONE;
                waits |= fibers[t].state == AT_WARP;
                done &= fibers[t].state == DONE;
                together &= fibers[t].state == AT_BLOCK || passes(fibers[t].state);
            }
            if (ready && waits)
                for (int t = first; t < count && t < first + 32; t++)
                    if (fibers[t].state == AT_WARP) fibers[t].state = RUNS, freed = true;
        }
        if (done) return;
        if (together)
            for (int t = 0; t < count; t++)
                if (fibers[t].state == AT_BLOCK) fibers[t].state = RUNS;
        else if (!ran && !freed)
            fail("threads of a block wait at different barriers, or some of them have returned");
    }
}
inline int lane() {
    return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32;
}
template <typename T> T exchange(T value, int from) {
    static_assert(sizeof(T) <= 8, "a shuffle moves up to 8 bytes");
    int warp = current / 32, own = lane();
    std::memcpy(&slots[warp][own], &value, sizeof(T));
    yield(AT_WARP);
    std::memcpy(&value, &slots[warp][from & 31], sizeof(T));
    yield(AT_WARP);
    return value;
}
// float16 (KIND 3) and bfloat16 (4) from and to float, ties to even
template <int KIND> uint16_t to_half(float x) {
    if (KIND == 3) {
        _Float16 y = (_Float16)x;
        uint16_t bits;
        std::memcpy(&bits, &y, 2);
        return bits;
    }
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return x == x ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16 : bits >> 16 | 64;
}
template <int KIND> float of_half(uint16_t half) {
    if (KIND == 3) {
        _Float16 x;
        std::memcpy(&x, &half, 2);
        return x;
    }
    uint32_t bits = (uint32_t)half << 16;
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}
template <int KIND> unsigned halves(float low, float high) {
    return to_half<KIND>(low) | (unsigned)to_half<KIND>(high) << 16;
}
template <int KIND> double product_of_words(unsigned a, unsigned b) {
    if (KIND <= 2) {  // of TF32, the other 13 bits of which nobody sees
        float x, y;
        a &= 0xffffe000;
        b &= 0xffffe000;
        std::memcpy(&x, &a, 4);
        std::memcpy(&y, &b, 4);
        return (double)x * y;
    }
    double low = (double)of_half<KIND>(a & 0xffff) * of_half<KIND>(b & 0xffff);
    return low + (double)of_half<KIND>(a >> 16) * of_half<KIND>(b >> 16);
}
// a sum as tensor cores leave it: cut off, not rounded
inline float cut_off(double sum) {
    float y = (float)sum;
    return std::isfinite(y) && std::fabs(y) > std::fabs(sum) ? std::nextafter(y, 0.0f) : y;
}
// mma.sync: d (16, 8) += a (16, 8 words) b (8 words, 8), each thread having 4, 4 and 2 of them
template <int KIND> void mma_of_words(float* d, const unsigned* a, const unsigned* b) {
    OF_BLOCK unsigned given[32][32][6];
    auto& warp = given[current / 32];
    int own = lane();
    std::memcpy(warp[own], a, 16);
    std::memcpy(warp[own] + 4, b, 8);
    yield(AT_WARP);
    for (int i = 0; i < 4; i++) {
        int row = own / 4, column = own % 4 * 2 + i % 2;
        double sum = d[i];
        for (int k = 0; k < 8; k++)
            sum += product_of_words<KIND>(warp[row * 4 + k % 4][k / 4 * 2 + i / 2],
                                          warp[column * 4 + k % 4][4 + k / 4]);
        d[i] = cut_off(sum);
    }
    yield(AT_WARP);
}
template <typename... A, size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*(A*)arguments[I]...);
}
template <typename... A>  // gives what was printed if it trapped, else null
const char* launch(
    void (*kernel)(A...), const unsigned* grid, const unsigned* block, void** arguments
) {
    const Flushed flushed;
    printed[0] = 0;
    const char* order = std::getenv("TINYGAN_CUDA_ON_HOST");
    backwards = order && !std::strcmp(order, "backwards");
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    auto job = std::make_pair(kernel, arguments);
    given = &job;
    body = [](void* p) {
        auto& own = *(decltype(job)*)p;
        call(own.first, own.second, std::index_sequence_for<A...>{});
    };
    const size_t count = (size_t)gridDim.x * gridDim.y * gridDim.z;
    std::atomic<size_t> next{0};
    std::atomic<bool> stopped{false};
    auto run = [&] {
        trapped = false;
        for (size_t n = next++; n < count && !stopped; n = next++) {
            const size_t i = backwards ? count - 1 - n : n, line = i / gridDim.x;
            blockIdx = {unsigned(i % gridDim.x), unsigned(line % gridDim.y),
                        unsigned(line / gridDim.y)};
            run_block();
            if (trapped) stopped = true;
        }
    };
#ifdef BLOCKS_TOGETHER
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) threads.emplace_back(run);
    for (std::thread& thread : threads) thread.join();
#else
    run();
#endif
    if (stopped) return printed;
    return nullptr;
}
// of each parameter p (a pointer), f (a floating-point number), s (a structure) or i, and its size
template <typename... A> const char* signature(void (*)(A...)) {
    static std::string text;
    text.clear();
    (void)std::initializer_list<int>{(
        text += std::is_pointer<A>::value ? 'p' : std::is_floating_point<A>::value ? 'f' :
                std::is_class<A>::value ? 's' : 'i',
        text += std::to_string(sizeof(A)) + " ", 0)...};
    return text.c_str();
}
}  // namespace host

inline void __syncthreads() { host::yield(host::AT_BLOCK); }
inline void __syncwarp(unsigned = ~0u) { host::yield(host::AT_WARP); }
template <typename T> T __shfl_sync(unsigned, T v, int from) { return host::exchange(v, from); }
template <typename T> T __shfl_xor_sync(unsigned, T v, int mask) {
    return host::exchange(v, host::lane() ^ mask);
}
template <typename T> T __shfl_down_sync(unsigned, T v, int by) {
    int from = host::lane() + by;
    return host::exchange(v, from < 32 ? from : host::lane());
}
inline unsigned __ballot_sync(unsigned, bool value) {
    int warp = host::current / 32, own = host::lane();
    host::slots[warp][own] = value;
    host::yield(host::AT_WARP);
    unsigned bits = 0;
    for (int n = 0; n < 32 && warp * 32 + n < (int)(blockDim.x * blockDim.y * blockDim.z); n++)
        bits |= (unsigned)host::slots[warp][n] << n;
    host::yield(host::AT_WARP);
    return bits;
}
inline int __ffs(int bits) { return __builtin_ffs(bits); }
// a pause, so that blocks that run together overtake each other
inline void __threadfence() {
#ifdef BLOCKS_TOGETHER
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const std::chrono::microseconds pause(std::rand() % 50);
    if (host::current % 61 == 0) std::this_thread::sleep_for(pause);
#endif
}
inline long long clock64() { return std::chrono::steady_clock::now().time_since_epoch().count(); }
[[noreturn]] inline void __trap() { throw host::Trap(); }
using std::rint;
#define printf host::print
template <typename T> T __ldg(const T* p) { return *p; }
template <typename T> T __ldcg(const T* p) { return *p; }
template <typename T> T atomicAdd(T* p, T v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
template <typename T> T atomicMax(T* p, T v) {
    T old = *p;
    while (old < v && !__atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_SEQ_CST,
                                                   __ATOMIC_SEQ_CST)) {}
    return old;
}
inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
inline float __uint_as_float(unsigned a) { float b; std::memcpy(&b, &a, 4); return b; }
inline unsigned __float_as_uint(float a) { unsigned b; std::memcpy(&b, &a, 4); return b; }
inline float rsqrt(float x) { return 1 / std::sqrt(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }
template <typename T> void sincospi(T x, T* sine, T* cosine) {
    x -= 2 * std::rint(x / 2);
    *sine = (T)std::sin(x * 3.14159265358979323846L);
    *cosine = (T)std::cos(x * 3.14159265358979323846L);
}
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
template <typename T> T max(T a, T b) { return a < b ? b : a; }
template <typename T> T min(T a, T b) { return b < a ? b : a; }
using std::abs; using std::acos; using std::asin; using std::atan; using std::atan2;
using std::ceil; using std::cos; using std::erf; using std::exp; using std::expm1;
using std::floor; using std::fma; using std::fmod; using std::isfinite; using std::isinf;
using std::isnan; using std::log; using std::log10; using std::log1p; using std::log2;
using std::pow; using std::rint; using std::sin; using std::sqrt; using std::tanh; using std::trunc;
