// float16 for CuPy's kernels.
#pragma once
#include "kernels.h"

struct __half_raw { unsigned short x; };
struct __half {
    unsigned short bits;
    __half() = default;
    template <typename T> __half(T value) : bits(__float2half_rn((float)value)) {}
    __half(const __half_raw& raw) : bits(raw.x) {}
    operator float() const { return __half2float(bits); }
    operator __half_raw() const { return {bits}; }
};
typedef __half half;
inline unsigned short __half_as_ushort(half x) { return x.bits; }
inline half __ushort_as_half(unsigned short bits) { return __half_raw{bits}; }
