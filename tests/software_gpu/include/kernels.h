// cuda_on_host.h, and what CuPy's own kernels use besides.
#pragma once
#include "cuda_on_host.h"

#include <math.h>  // of C++: signbit and others without std::

#include <cassert>

namespace host {
alignas(16) OF_BLOCK char dynamic_memory[232448];  // shared; its size is an argument of the launch
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline bool __any_sync(unsigned lanes, bool value) { return __ballot_sync(lanes, value) != 0; }
inline bool __all_sync(unsigned lanes, bool value) { return __ballot_sync(lanes, !value) == 0; }
inline int __float_as_int(float x) { return (int)__float_as_uint(x); }
inline float __int_as_float(int x) { return __uint_as_float((unsigned)x); }
inline long long __double_as_longlong(double x) { long long y; std::memcpy(&y, &x, 8); return y; }
inline double __longlong_as_double(long long x) { double y; std::memcpy(&y, &x, 8); return y; }
#define __CUDACC_VER_MAJOR__ 12
inline unsigned short __float2half_rn(float x) { return host::to_half<3>(x); }
inline float __half2float(unsigned short x) { return host::of_half<3>(x); }
template <typename T, typename Bits> T add_bits(T* p, T v) {
    T old = *p, sum = old + v;
    while (!__atomic_compare_exchange((Bits*)p, (Bits*)&old, (Bits*)&sum, false, __ATOMIC_SEQ_CST,
                                      __ATOMIC_SEQ_CST))
        sum = old + v;
    return old;
}
inline float atomicAdd(float* p, float v) { return add_bits<float, unsigned>(p, v); }
inline double atomicAdd(double* p, double v) { return add_bits<double, uint64_t>(p, v); }
template <typename T> T atomicCAS(T* p, T expected, T value) {
    __atomic_compare_exchange_n(p, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}
