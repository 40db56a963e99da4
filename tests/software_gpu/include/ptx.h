// What PTX's instructions do, for the C++ that ptx.py makes of them.
//
// Addresses of shared memory are places in a window, which begins as NaN; all others are the host's.
// What is moved from or to where it must not lie, or beyond a kernel's shared memory, ends the program.
#pragma once
#define SMALL_NUMBERS_STAY  // where an instruction does not flush them
#include "cuda_on_host.h"

#include <algorithm>
#include <cfenv>
#include <limits>
#include <type_traits>

// the bits of a register or of a number that was written out, or as many of them as a type has
template <typename T, typename R> T as(R bits) {
    static_assert(sizeof(T) <= sizeof(R), "more is read of a register than it has");
    T value;
    std::memcpy(&value, &bits, sizeof(T));
    return value;
}
// a value of a type into a register, whose higher bits repeat the sign if there is one
template <typename T, typename R, typename V> void put(R& to, V given) {
    const T value = (T)given;
    if constexpr (sizeof(T) == sizeof(R)) std::memcpy(&to, &value, sizeof(T));
    else to = (R)value;
}

namespace ptx {

template <typename T> constexpr int BITS = 8 * sizeof(T);
template <typename T> constexpr bool REAL = std::is_floating_point<T>::value;

// -- memory ---------------------------------------------------------------------------------------

alignas(128) OF_BLOCK char window[232448];
OF_BLOCK unsigned declared, limit;  // bytes: of a kernel's own, behind which is what a launch asks for

inline void declare(unsigned bytes, bool more) {
    declared = (bytes + 15) / 16 * 16;
    limit = more ? sizeof window : declared;
}
inline char* shared(uint64_t place) {  // whatever lies on a multiple of its size ends there too
    if (place >= limit) host::fail("an address beyond a kernel's shared memory");
    return window + place;
}
inline uint64_t of_shared(uint64_t place) { return (uint64_t)window + place; }
inline uint64_t to_shared(uint64_t address) { return address - (uint64_t)window; }
inline char* anywhere(uint64_t address) { return (char*)address; }

template <typename T, int N> struct Pack { T numbers[N]; };
template <typename T, int N> void check(const char* address) {
    if ((uint64_t)address % (N * sizeof(T))) host::fail("an address that is not aligned");
}
template <typename T, int N> Pack<T, N> load(const char* address) {
    check<T, N>(address);
    Pack<T, N> found;
    std::memcpy(&found, address, sizeof found);
    return found;
}
template <typename T, int N> void store(char* address, Pack<T, N> given) {
    check<T, N>(address);
    std::memcpy(address, &given, sizeof given);
}

// -- numbers --------------------------------------------------------------------------------------

template <typename T> auto bits(T x) {  // that wrap around
    if constexpr (sizeof(T) < 4) return (uint32_t)x;
    else return (std::make_unsigned_t<T>)x;
}
template <typename T> T flushed(T x) {
    return std::fabs(x) < std::numeric_limits<T>::min() ? std::copysign(T(0), x) : x;
}
template <typename T> T to_unit(T x) { return x >= 1 ? T(1) : x > 0 ? x : T(0); }  // NaN to 0
template <typename T> bool unordered(T a, T b) { return a != a || b != b; }

template <typename T> T sum(T a, T b) {
    if constexpr (REAL<T>) return a + b;
    else return (T)(bits(a) + bits(b));
}
template <typename T> T difference(T a, T b) {
    if constexpr (REAL<T>) return a - b;
    else return (T)(bits(a) - bits(b));
}
template <typename T> T product(T a, T b) {
    if constexpr (REAL<T>) return a * b;
    else return (T)(bits(a) * bits(b));
}
template <typename T> using Wide = std::conditional_t<
    sizeof(T) == 8, std::conditional_t<std::is_signed<T>::value, __int128, unsigned __int128>,
    std::conditional_t<std::is_signed<T>::value, int64_t, uint64_t>>;
template <typename T> Wide<T> product_wide(T a, T b) { return (Wide<T>)a * b; }
template <typename T> T product_high(T a, T b) { return (T)(product_wide(a, b) >> BITS<T>); }
template <typename T> T fused(T a, T b, T c) {
    if constexpr (REAL<T>) return std::fma(a, b, c);
    else return sum(product(a, b), c);
}
template <typename T, typename W> W fused_wide(T a, T b, W c) {
    return sum((W)product_wide(a, b), c);
}
template <typename T> T fused_high(T a, T b, T c) { return sum(product_high(a, b), c); }
// rounded another way than to the nearest; called so that nothing is computed before
template <typename T, typename... A> T rounded(int way, T (*function)(T, A...), T x, A... others) {
    T (*volatile called)(T, A...) = function;
    std::fesetround(way);
    const T found = called(x, others...);
    std::fesetround(FE_TONEAREST);
    return found;
}
template <typename T> struct Carried { T value; bool carry; };
template <typename T> Carried<T> added(T a, T b, bool carry) {
    const auto all = (unsigned __int128)bits(a) + bits(b) + carry;
    return {(T)all, all >> BITS<T> != 0};
}
template <typename T> Carried<T> subtracted(T a, T b, bool carry) {
    const auto all = (unsigned __int128)bits(a) - bits(b) - carry;
    return {(T)all, all >> BITS<T> != 0};
}
template <typename T> T quotient(T a, T b) {
    if (!REAL<T> && b == 0) host::fail("a division by 0");
    return a / b;
}
template <typename T> T remainder(T a, T b) {
    if (b == 0) host::fail("a division by 0");
    return a % b;
}
template <typename T> T negative(T x) {
    if constexpr (REAL<T>) return -x;
    else return (T)-bits(x);
}
template <typename T> T absolute(T x) {
    if constexpr (REAL<T>) return std::fabs(x);
    else return x < 0 ? negative(x) : x;
}
template <typename T> T least(T a, T b) {  // the other if one is NaN
    if constexpr (REAL<T>) return std::fmin(a, b);
    else return b < a ? b : a;
}
template <typename T> T greatest(T a, T b) {
    if constexpr (REAL<T>) return std::fmax(a, b);
    else return a < b ? b : a;
}
template <typename T> T with_sign(T sign, T x) { return std::copysign(x, sign); }
template <typename T> T root(T x) { return std::sqrt(x); }
template <typename T> T reciprocal(T x) { return 1 / x; }
template <typename T> T reciprocal_root(T x) { return 1 / std::sqrt(x); }
template <typename T> T power_of_two(T x) { return std::exp2(x); }
template <typename T> T logarithm(T x) { return std::log2(x); }
template <typename T> T sine(T x) { return std::sin(x); }
template <typename T> T cosine(T x) { return std::cos(x); }
template <typename T> T tangent(T x) { return std::tanh(x); }

// to whole numbers; to those of a type, NaN to 0
template <typename T> T rni(T x) { return std::nearbyint(x); }
template <typename T> T rzi(T x) { return std::trunc(x); }
template <typename T> T rmi(T x) { return std::floor(x); }
template <typename T> T rpi(T x) { return std::ceil(x); }
template <typename I, typename T> I saturated(T x) {
    const T end = std::ldexp(T(1), std::numeric_limits<I>::digits);
    if (x != x) return 0;
    if (x >= end) return std::numeric_limits<I>::max();
    if (x <= (std::is_signed<I>::value ? -end : T(0))) return std::numeric_limits<I>::min();
    return (I)x;
}

// -- bits -----------------------------------------------------------------------------------------

template <typename T> T both(T a, T b) { return a & b; }
template <typename T> T either(T a, T b) { return a | b; }
template <typename T> T one(T a, T b) { return a ^ b; }
template <typename T> T inverse(T x) {
    if constexpr (std::is_same<T, bool>::value) return !x;
    else return ~x;
}
template <typename T> T shifted_left(T x, uint32_t by) {
    return by < BITS<T> ? (T)(bits(x) << by) : T(0);
}
template <typename T> T shifted_right(T x, uint32_t by) {
    return by < BITS<T> ? x >> by : x < 0 ? T(-1) : T(0);
}
template <typename T> bool bit(T x, int i) { return bits(x) >> i & 1; }
template <typename T> T field(T x, uint32_t at, uint32_t size) {
    const int last = BITS<T> - 1, first = at & 255, count = size & 255;
    const bool sign =
        std::is_signed<T>::value && count && bit(x, std::min(first + count - 1, last));
    decltype(bits(x)) found = 0;
    for (int i = last; i >= 0; i--)
        found = found << 1 | (i < count && first + i <= last ? bit(x, first + i) : sign);
    return (T)found;
}
template <typename T> T with_field(T given, T x, uint32_t at, uint32_t size) {
    const int first = at & 255, count = size & 255;
    for (int i = 0; i < count && first + i < BITS<T>; i++) {
        const T place = T(1) << (first + i);
        x = bit(given, i) ? x | place : x & ~place;
    }
    return x;
}
template <typename T> T reversed(T x) {
    T y = 0;
    for (int i = 0; i < BITS<T>; i++) y = y << 1 | bit(x, i);
    return y;
}
template <typename T> uint32_t ones(T x) { return __builtin_popcountll(x); }
template <typename T> uint32_t leading_zeros(T x) {
    return x ? __builtin_clzll(x) - (64 - BITS<T>) : BITS<T>;
}
// how far the highest bit is from the top that is 1, in a negative number 0, or from the lowest
template <typename T> uint32_t to_highest(T x) {
    const auto found = bits((T)(x < 0 ? ~x : x));
    return found ? leading_zeros(found) : ~0u;
}
template <typename T> uint32_t highest(T x) {
    const uint32_t from_top = to_highest(x);
    return from_top == ~0u ? from_top : BITS<T> - 1 - from_top;
}
inline uint32_t funnel(uint32_t low, uint32_t high, uint32_t by, bool left, bool wrap) {
    const uint64_t both = (uint64_t)high << 32 | low;
    by = wrap ? by & 31 : std::min(by, 32u);
    return left ? both << by >> 32 : both >> by;
}
inline uint32_t permuted(uint32_t a, uint32_t b, uint32_t choice) {
    const uint64_t both = (uint64_t)b << 32 | a;
    uint32_t found = 0;
    for (int i = 0; i < 4; i++) {
        const uint32_t chosen = choice >> 4 * i & 15;
        uint8_t byte = both >> 8 * (chosen & 7);
        if (chosen & 8) byte = byte & 128 ? 255 : 0;  // its sign
        found |= (uint32_t)byte << 8 * i;
    }
    return found;
}

// -- threads --------------------------------------------------------------------------------------

inline uint32_t present() { return __ballot_sync(~0u, true); }
struct Shuffled { uint32_t value; bool inside; };
inline Shuffled shuffled(char mode, uint32_t value, uint32_t given, uint32_t limits) {
    const int lane = host::lane(), segment = limits >> 8 & 31, by = given & 31;
    const int first = lane & segment, last = first | (limits & 31 & ~segment);
    const int from = mode == 'u'   ? lane - by
                     : mode == 'd' ? lane + by
                     : mode == 'b' ? lane ^ by
                                   : first | (by & ~segment);
    const bool inside = mode == 'u' ? from >= last : from <= last;
    return {host::exchange(value, inside ? from : lane), inside};
}
template <typename T, class Change> T changed(char* address, Change change) {
    check<T, 1>(address);
    T old, next;
    __atomic_load((T*)address, &old, __ATOMIC_SEQ_CST);
    do next = change(old);
    while (!__atomic_compare_exchange((T*)address, &old, &next, false, __ATOMIC_SEQ_CST,
                                      __ATOMIC_SEQ_CST));
    return old;
}
template <typename T> T atomic_add(char* address, T x) {
    return changed<T>(address, [=](T old) { return sum(old, x); });
}
template <typename T> T atomic_max(char* address, T x) {
    return changed<T>(address, [=](T old) { return greatest(old, x); });
}
template <typename T> T atomic_min(char* address, T x) {
    return changed<T>(address, [=](T old) { return least(old, x); });
}
template <typename T> T atomic_exch(char* address, T x) {
    return changed<T>(address, [=](T) { return x; });
}
template <typename T> T atomic_cas(char* address, T expected, T x) {
    return changed<T>(address, [=](T old) { return old == expected ? x : old; });
}

// -- calls and launches ---------------------------------------------------------------------------

// printf's format and its values, of which each takes 4 or 8 bytes and lies on a multiple of them
inline void vprintf(char* result, char* given_format, char* given_values) {
    const char *format, *values;
    std::memcpy(&format, given_format, sizeof format);
    std::memcpy(&values, given_values, sizeof values);
    std::string text;
    for (size_t at = 0; *format;) {
        const size_t length = *format == '%' ? 2 + std::strcspn(format + 1, "diuxXcsfegp%") : 1;
        const std::string one(format, length);
        const char kind = one.back();
        format += length;
        if (length == 1 || kind == '%') {
            text += kind;
            continue;
        }
        const bool real = std::strchr("feg", kind);
        const size_t size = real || kind == 's' || one.find('l') != one.npos ? 8 : 4;
        at = (at + size - 1) / size * size;
        uint64_t value = 0;
        std::memcpy(&value, values + at, size);
        at += size;
        char shown[256];
        if (real) std::snprintf(shown, sizeof shown, one.c_str(), as<double>(value));
        else if (size == 8) std::snprintf(shown, sizeof shown, one.c_str(), value);
        else std::snprintf(shown, sizeof shown, one.c_str(), (unsigned)value);
        text += shown;
    }
    host::print("%s", text.c_str());
    std::memset(result, 0, 4);
}
template <typename... A> void __assertfail(A...) { __trap(); }

inline const char* launch(
    void (*kernel)(void**), unsigned most, bool returned_threads_pass, const unsigned* grid,
    const unsigned* block, void** arguments
) {
    host::returned_threads_pass = returned_threads_pass;
    if (block[0] * block[1] * block[2] > most) host::fail("more threads than a kernel is made for");
    std::memset(window, 0xff, sizeof window);
    void* given[] = {&arguments};
    return host::launch(kernel, grid, block, given);
}
}  // namespace ptx
