// bfloat16 for CuPy's kernels.
#pragma once
#include "kernels.h"

struct __nv_bfloat16_raw { unsigned short x; };
struct __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    template <typename T> __nv_bfloat16(T value) : bits(host::to_half<4>((float)value)) {}
    __nv_bfloat16(const __nv_bfloat16_raw& raw) : bits(raw.x) {}
    operator float() const { return host::of_half<4>(bits); }
    operator __nv_bfloat16_raw() const { return {bits}; }
};
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) { return __nv_bfloat16_raw{bits}; }
