// y[n, p, c] = x[n, c, p]: tiles are turned in shared memory, so that both sides are whole sectors.
const int TILE = 32, LINES = 8;

template <typename T>
__global__ void __launch_bounds__(TILE* LINES)
    turned(const T* x, T* y, int channels, int pixels, int across) {
    __shared__ T tile[TILE][TILE + 1];
    long long image = (long long)blockIdx.y * channels * pixels;
    int c = blockIdx.x / across * TILE, p = blockIdx.x % across * TILE;
    int lane = threadIdx.x % TILE, line = threadIdx.x / TILE;
    for (int i = line; i < TILE && c + i < channels; i += LINES)
        if (p + lane < pixels) tile[i][lane] = x[image + (long long)(c + i) * pixels + p + lane];
    __syncthreads();
    for (int i = line; i < TILE && p + i < pixels; i += LINES)
        if (c + lane < channels) y[image + (long long)(p + i) * channels + c + lane] = tile[lane][i];
}
