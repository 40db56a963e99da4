// Pooling and resampling of images N H W C. The window (i, j) stands at (i, j) times the stride,
// less the start; its tap (a, b) at (a, b) times the dilation from there. A thread makes V numbers
// of a pixel of the result, so that sums have an order.
#include "packs.cuh"
#include "functions.cuh"

const int THREADS = 256;

struct Windows {
    int images, channels;  // in packs of V
    int height, width;     // of the images
    int rows, columns;     // of windows
    int kernel[2], stride[2], start[2], dilation[2];
};

struct Pixel {
    int image, h, w, c;
    bool inside;

    __device__ Pixel(const Windows& all, int height, int width) {
        unsigned i = blockIdx.x * THREADS + threadIdx.x;
        c = i % all.channels;
        i /= all.channels;
        w = i % width;
        i /= width;
        h = i % height;
        image = i / height;
        inside = image < all.images;
    }
};

// Where V numbers of a pixel of the images are, and where those of a window.
template <int V>
__device__ long long pixel_at(const Windows& all, const Pixel& own, int h, int w) {
    long long line = (long long)own.image * all.height + h;
    return ((line * all.width + w) * all.channels + own.c) * V;
}
template <int V>
__device__ long long window_at(const Windows& all, const Pixel& own, int i, int j) {
    long long line = (long long)own.image * all.rows + i;
    return ((line * all.columns + j) * all.channels + own.c) * V;
}

template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4) max_pool(Windows all, const T* x, T* y) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Pixel own(all, all.rows, all.columns);
    if (!own.inside) return;
    T best[V], found[V];
    for (int v = 0; v < V; v++) best[v] = -infinity<T>();
    for (int a = 0; a < all.kernel[0]; a++) {
        int h = own.h * all.stride[0] - all.start[0] + a * all.dilation[0];
        if (h < 0 || h >= all.height) continue;
        for (int b = 0; b < all.kernel[1]; b++) {
            int w = own.w * all.stride[1] - all.start[1] + b * all.dilation[1];
            if (w < 0 || w >= all.width) continue;
            load<V>(x + pixel_at<V>(all, own, h, w), found);
            for (int v = 0; v < V; v++) best[v] = larger(best[v], found[v]);
        }
    }
    store<V>(best, y + window_at<V>(all, own, own.h, own.w));
}

// The first tap that sees the largest number; where that is NaN, the first inside.
template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    max_tap(Windows all, const T* x, const T* y, short* taps) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Pixel own(all, all.rows, all.columns);
    if (!own.inside) return;
    long long target = window_at<V>(all, own, own.h, own.w);
    T largest[V], found[V];
    short tap[V];
    load<V>(y + target, largest);
    for (int v = 0; v < V; v++) tap[v] = -1;
    for (int a = 0; a < all.kernel[0]; a++) {
        int h = own.h * all.stride[0] - all.start[0] + a * all.dilation[0];
        if (h < 0 || h >= all.height) continue;
        for (int b = 0; b < all.kernel[1]; b++) {
            int w = own.w * all.stride[1] - all.start[1] + b * all.dilation[1];
            if (w < 0 || w >= all.width) continue;
            load<V>(x + pixel_at<V>(all, own, h, w), found);
            for (int v = 0; v < V; v++)
                if (tap[v] < 0 && (found[v] == largest[v] || largest[v] != largest[v]))
                    tap[v] = a * all.kernel[1] + b;
        }
    }
    for (int v = 0; v < V; v++) tap[v] = tap[v] < 0 ? 0 : tap[v];
    store<V>(tap, taps + target);
}

template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    tap_pick(Windows all, const T* x, const short* taps, T* y) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Pixel own(all, all.rows, all.columns);
    if (!own.inside) return;
    long long target = window_at<V>(all, own, own.h, own.w);
    short tap[V];
    T picked[V];
    load<V>(taps + target, tap);
    for (int v = 0; v < V; v++) {
        int a = tap[v] / all.kernel[1], b = tap[v] % all.kernel[1];
        int h = own.h * all.stride[0] - all.start[0] + a * all.dilation[0];
        int w = own.w * all.stride[1] - all.start[1] + b * all.dilation[1];
        picked[v] = 0;
        if (h >= 0 && h < all.height && w >= 0 && w < all.width)
            picked[v] = x[pixel_at<V>(all, own, h, w) + v];
    }
    store<V>(picked, y + target);
}

// The window along an axis that sees a pixel through a tap, -1 if there is none.
__device__ int window_of(const Windows& all, int axis, int pixel, int tap, int count) {
    int from = pixel + all.start[axis] - tap * all.dilation[axis];
    if (from < 0 || from % all.stride[axis]) return -1;
    return from / all.stride[axis] < count ? from / all.stride[axis] : -1;
}

template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    tap_spread(Windows all, const T* g, const short* taps, T* x) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Pixel own(all, all.height, all.width);
    if (!own.inside) return;
    T total[V] = {}, gs[V];
    short tap[V];
    for (int a = all.kernel[0] - 1; a >= 0; a--) {  // the windows in order
        int i = window_of(all, 0, own.h, a, all.rows);
        if (i < 0) continue;
        for (int b = all.kernel[1] - 1; b >= 0; b--) {
            int j = window_of(all, 1, own.w, b, all.columns);
            if (j < 0) continue;
            long long from = window_at<V>(all, own, i, j);
            load<V>(g + from, gs);
            load<V>(taps + from, tap);
            for (int v = 0; v < V; v++)
                if (tap[v] == a * all.kernel[1] + b) total[v] += gs[v];
        }
    }
    store<V>(total, x + pixel_at<V>(all, own, own.h, own.w));
}

template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4) window_sum(Windows all, const T* x, T* y) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Pixel own(all, all.rows, all.columns);
    if (!own.inside) return;
    T total[V] = {}, xs[V];
    int top = own.h * all.stride[0] - all.start[0], left = own.w * all.stride[1] - all.start[1];
    for (int h = max(top, 0); h < min(top + all.kernel[0], all.height); h++)
        for (int w = max(left, 0); w < min(left + all.kernel[1], all.width); w++) {
            load<V>(x + pixel_at<V>(all, own, h, w), xs);
            for (int v = 0; v < V; v++) total[v] += xs[v];
        }
    store<V>(total, y + window_at<V>(all, own, own.h, own.w));
}

struct Span { int first, end; };

// The windows along an axis that see a pixel.
__device__ Span seen_by(const Windows& all, int axis, int pixel, int count) {
    int end = (pixel + all.start[axis]) / all.stride[axis] + 1;
    int past = pixel + all.start[axis] - all.kernel[axis];
    return {past < 0 ? 0 : past / all.stride[axis] + 1, min(end, count)};
}

template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4) window_spread(Windows all, const T* g, T* x) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Pixel own(all, all.height, all.width);
    if (!own.inside) return;
    T total[V] = {}, gs[V];
    Span rows = seen_by(all, 0, own.h, all.rows), columns = seen_by(all, 1, own.w, all.columns);
    for (int i = rows.first; i < rows.end; i++)
        for (int j = columns.first; j < columns.end; j++) {
            load<V>(g + window_at<V>(all, own, i, j), gs);
            for (int v = 0; v < V; v++) total[v] += gs[v];
        }
    store<V>(total, x + pixel_at<V>(all, own, own.h, own.w));
}

// -- bins that cover an image, and places h W + w in its plane ------------------------------------

template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    adaptive_max_place(Windows all, const T* x, long long* places) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Pixel own(all, all.rows, all.columns);
    if (!own.inside) return;
    Span rows{own.h * all.height / all.rows, ((own.h + 1) * all.height - 1) / all.rows + 1};
    Span columns{own.w * all.width / all.columns, ((own.w + 1) * all.width - 1) / all.columns + 1};
    T best[V], found[V];
    long long place[V];
    for (int h = rows.first; h < rows.end; h++)
        for (int w = columns.first; w < columns.end; w++) {
            load<V>(x + pixel_at<V>(all, own, h, w), found);
            bool first = h == rows.first && w == columns.first;
            for (int v = 0; v < V; v++)
                if (first || found[v] > best[v] || (found[v] != found[v] && best[v] == best[v])) {
                    best[v] = found[v];
                    place[v] = h * all.width + w;
                }
        }
    store<V>(place, places + window_at<V>(all, own, own.h, own.w));
}

template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    plane_gather(Windows all, const T* x, const long long* places, T* y) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Pixel own(all, all.rows, all.columns);
    if (!own.inside) return;
    long long target = window_at<V>(all, own, own.h, own.w), place[V];
    T found[V];
    load<V>(places + target, place);
    for (int v = 0; v < V; v++) found[v] = x[pixel_at<V>(all, own, 0, place[v]) + v];
    store<V>(found, y + target);
}

// Every pixel looks for itself among the places, so that its sum has an order.
template <typename T, int WIDE>
__global__ void __launch_bounds__(THREADS, 4)
    plane_scatter(Windows all, const T* g, const long long* places, T* x) {
    const int V = WIDE ? 16 / sizeof(T) : 1;
    Pixel own(all, all.height, all.width);
    if (!own.inside) return;
    T total[V] = {}, gs[V];
    long long place[V];
    for (int k = 0; k < all.rows * all.columns; k++) {
        long long from = window_at<V>(all, own, 0, k);
        load<V>(places + from, place);
        load<V>(g + from, gs);
        for (int v = 0; v < V; v++)
            if (place[v] == own.h * all.width + own.w) total[v] += gs[v];
    }
    store<V>(total, x + pixel_at<V>(all, own, own.h, own.w));
}
