// cuBLAS as far as CuPy calls it for products of real matrices, on the host: columns first, added
// up in float64. It leans on device.cpp for streams; what is not here ends the program, with its
// name, when it is called.
#include <cuda_runtime_api.h>
#include <library_types.h>

#include <cstdint>
#include <cstring>
#include <utility>

#include "queue.h"

namespace {

enum Status { SUCCESS = 0, NOT_SUPPORTED = 15 };
struct Handle {
    cudaStream_t stream = nullptr;
    int math = 0;
    bool on_device = false;  // alpha and beta
};

template <typename T> struct Matrix {
    const T* at;
    long long leading, batch;
    bool transposed;
    double operator()(long long i, long long j, long long n) const {
        return (double)at[n * batch + (transposed ? i * leading + j : j * leading + i)];
    }
};
struct Half {
    _Float16 x;
    Half(double y) : x((_Float16)y) {}
    operator double() const { return (double)x; }
};
struct Brain {  // bfloat16
    uint16_t x;
    Brain(double y) {
        float z = (float)y;
        uint32_t bits;
        std::memcpy(&bits, &z, 4);
        x = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    }
    operator double() const {
        uint32_t bits = (uint32_t)x << 16;
        float z;
        std::memcpy(&z, &bits, 4);
        return z;
    }
};

Status submit(Handle* handle, Work work) {
    return software_gpu_submit(handle->stream, std::move(work)) ? NOT_SUPPORTED : SUCCESS;
}
template <typename S> std::function<double()> factor(Handle* handle, const void* at) {
    if (handle->on_device) return [=] { return (double)*(const S*)at; };
    return [value = (double)*(const S*)at] { return value; };
}

template <typename T, typename S>
Status product(
    Handle* handle, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int lda,
    long long sa, const void* b, int ldb, long long sb, const void* beta, void* c, int ldc,
    long long sc, int count
) {
    auto scale = factor<S>(handle, alpha), keep = factor<S>(handle, beta);
    Matrix<T> A{(const T*)a, lda, sa, ta != 0}, B{(const T*)b, ldb, sb, tb != 0};
    return submit(handle, [=] {
        for (long long l = 0; l < count; l++)
            for (long long j = 0; j < n; j++)
                for (long long i = 0; i < m; i++) {
                    double sum = 0;
                    for (long long h = 0; h < k; h++) sum += A(i, h, l) * B(h, j, l);
                    T& y = ((T*)c)[l * sc + j * ldc + i];
                    double old = keep();  // where it is 0, what was there is not read
                    y = (T)(scale() * sum + (old ? old * (double)y : 0));
                }
    });
}
template <typename T>
Status vector(
    Handle* handle, int trans, int m, int n, const void* alpha, const void* a, int lda,
    const void* x, int incx, const void* beta, void* y, int incy
) {
    auto scale = factor<T>(handle, alpha), keep = factor<T>(handle, beta);
    Matrix<T> A{(const T*)a, lda, 0, trans != 0};
    return submit(handle, [=] {
        for (long long i = 0; i < (trans ? n : m); i++) {
            double sum = 0;
            for (long long j = 0; j < (trans ? m : n); j++)
                sum += A(i, j, 0) * (double)((const T*)x)[j * incx];
            T& to = ((T*)y)[i * incy];
            double old = keep();
            to = (T)(scale() * sum + (old ? old * (double)to : 0));
        }
    });
}
template <typename T>
Status dot(Handle* handle, int n, const T* x, int incx, const T* y, int incy, T* result) {
    Status status = submit(handle, [=] {
        double sum = 0;
        for (long long i = 0; i < n; i++) sum += (double)x[i * incx] * (double)y[i * incy];
        *result = (T)sum;
    });
    if (!handle->on_device) cudaStreamSynchronize(handle->stream);
    return status;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default"))) Status

API cublasCreate_v2(Handle** handle) { *handle = new Handle; return SUCCESS; }
API cublasDestroy_v2(Handle* handle) { delete handle; return SUCCESS; }
API cublasGetVersion_v2(Handle*, int* version) { *version = CUDART_VERSION * 10; return SUCCESS; }
API cublasSetStream_v2(Handle* handle, cudaStream_t s) { handle->stream = s; return SUCCESS; }
API cublasGetStream_v2(Handle* handle, cudaStream_t* s) { *s = handle->stream; return SUCCESS; }
API cublasSetMathMode(Handle* handle, int mode) { handle->math = mode; return SUCCESS; }
API cublasGetMathMode(Handle* handle, int* mode) { *mode = handle->math; return SUCCESS; }
API cublasSetPointerMode_v2(Handle* handle, int mode) {
    handle->on_device = mode;
    return SUCCESS;
}
API cublasGetPointerMode_v2(Handle* handle, int* mode) {
    *mode = handle->on_device;
    return SUCCESS;
}
#define GEMM(letter, T) \
    API cublas##letter##gemm_v2( \
        Handle* h, int ta, int tb, int m, int n, int k, const T* alpha, const T* a, int lda, \
        const T* b, int ldb, const T* beta, T* c, int ldc \
    ) { \
        return product<T, T>(h, ta, tb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1); \
    } \
    API cublas##letter##gemmStridedBatched( \
        Handle* h, int ta, int tb, int m, int n, int k, const T* alpha, const T* a, int lda, \
        long long sa, const T* b, int ldb, long long sb, const T* beta, T* c, int ldc, \
        long long sc, int count \
    ) { \
        return product<T, T>( \
            h, ta, tb, m, n, k, alpha, a, lda, sa, b, ldb, sb, beta, c, ldc, sc, count \
        ); \
    } \
    API cublas##letter##gemmBatched( \
        Handle* h, int ta, int tb, int m, int n, int k, const T* alpha, const T* const* a, \
        int lda, const T* const* b, int ldb, const T* beta, T* const* c, int ldc, int count \
    ) { \
        cudaStreamSynchronize(h->stream); /* what a, b and c point to is on the device */ \
        for (int i = 0; i < count; i++) \
            product<T, T>( \
                h, ta, tb, m, n, k, alpha, a[i], lda, 0, b[i], ldb, 0, beta, c[i], ldc, 0, 1 \
            ); \
        return SUCCESS; \
    } \
    API cublas##letter##gemv_v2( \
        Handle* h, int trans, int m, int n, const T* alpha, const T* a, int lda, const T* x, \
        int incx, const T* beta, T* y, int incy \
    ) { \
        return vector<T>(h, trans, m, n, alpha, a, lda, x, incx, beta, y, incy); \
    } \
    API cublas##letter##dot_v2(Handle* h, int n, const T* x, int i, const T* y, int j, T* r) { \
        return dot<T>(h, n, x, i, y, j, r); \
    }
GEMM(S, float)
GEMM(D, double)

API cublasGemmStridedBatchedEx(
    Handle* h, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int type,
    int lda, long long sa, const void* b, int type_b, int ldb, long long sb, const void* beta,
    void* c, int type_c, int ldc, long long sc, int count, int, int
) {
    if (type != type_b || type != type_c) return NOT_SUPPORTED;
#define OF(T, S) \
    return product<T, S>( \
        h, ta, tb, m, n, k, alpha, a, lda, sa, b, ldb, sb, beta, c, ldc, sc, count \
    )
    switch (type) {
        case CUDA_R_32F: OF(float, float);
        case CUDA_R_64F: OF(double, double);
        case CUDA_R_16F: OF(Half, float);
        case CUDA_R_16BF: OF(Brain, float);
        default: return NOT_SUPPORTED;
    }
}
API cublasGemmEx(
    Handle* h, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int type,
    int lda, const void* b, int type_b, int ldb, const void* beta, void* c, int type_c, int ldc,
    int compute, int algorithm
) {
    return cublasGemmStridedBatchedEx(
        h, ta, tb, m, n, k, alpha, a, type, lda, 0, b, type_b, ldb, 0, beta, c, type_c, ldc, 0, 1,
        compute, algorithm
    );
}
API cublasSgemmEx(
    Handle* h, int ta, int tb, int m, int n, int k, const float* alpha, const void* a, int type,
    int lda, const void* b, int type_b, int ldb, const float* beta, void* c, int type_c, int ldc
) {
    return cublasGemmEx(
        h, ta, tb, m, n, k, alpha, a, type, lda, b, type_b, ldb, beta, c, type_c, ldc, 0, 0
    );
}
