// A GPU that is not there: CUDA's runtime and driver as far as CuPy calls them, on the host.
//
// Nothing is done when it is asked for: every stream has a queue, and its work is done when the
// host waits for it, so that what lacks a wait reads old numbers. Blocking streams and the default
// one share a queue. A queue that is as long as a GPU's is emptied from its front, and a pageable
// copy to the host waits, as CUDA says. Memory is the host's own, filled with NaN. A module is PTX,
// which ptx.py makes C++ of. What this cannot show: speed, and what a real driver refuses.
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "queue.h"

namespace {

const size_t LONGEST = 1024;            // queue
const size_t MEMORY = (size_t)4 << 30;  // bytes
std::recursive_mutex everything;
cudaError_t stopped = cudaSuccess;  // an error that stays, as after a trap
cudaError_t last = cudaSuccess;
thread_local int current = 0;  // device; they share one memory and its streams

int setting(const char* name, int otherwise) {
    const char* value = std::getenv(name);
    return value ? std::atoi(value) : otherwise;
}
int devices() { return setting("SOFTWARE_GPU_COUNT", 1); }
bool there(int number) { return 0 <= number && number < devices(); }

struct Queue {
    std::deque<Work> work;
    unsigned long long added = 0, done = 0;

    void finish(unsigned long long position) {
        while (done < position && !work.empty()) {
            Work next = std::move(work.front());
            work.pop_front();
            if (!stopped) next();
            done++;
        }
    }
    void finish() { finish(added); }
    void add(Work next) {
        if (work.size() >= LONGEST) finish(done + 1);
        work.push_back(std::move(next));
        added++;
    }
};
std::shared_ptr<Queue> blocking = std::make_shared<Queue>();
std::vector<std::weak_ptr<Queue>> queues{blocking};

void finish_all() {  // the newest stream first: what leans on another's order is seen
    for (size_t i = queues.size(); i-- > 0;)
        if (auto queue = queues[i].lock()) queue->finish();
}

cudaError_t said(cudaError_t error) {
    if (stopped) error = stopped;
    if (error) last = error;
    return error;
}
cudaError_t refused(const char* what, cudaError_t error = cudaErrorInvalidValue) {
    std::fprintf(stderr, "software GPU: %s\n", what);
    return said(error);
}

struct Memory {
    std::map<uintptr_t, size_t> blocks;
    size_t used = 0;

    bool has(const void* address, size_t count) const {
        auto after = blocks.upper_bound((uintptr_t)address);
        if (after == blocks.begin()) return false;
        auto block = std::prev(after);
        return (uintptr_t)address + count <= block->first + block->second;
    }
    cudaError_t make(void** address, size_t count, size_t limit) {
        *address = nullptr;
        if (count == 0) return said(cudaSuccess);
        if (used + count > limit) return said(cudaErrorMemoryAllocation);
        size_t rounded = (count + 511) / 512 * 512;
        void* block = std::aligned_alloc(512, rounded);
        if (!block) return said(cudaErrorMemoryAllocation);
        std::memset(block, 0xff, rounded);
        blocks[(uintptr_t)block] = count;
        used += count;
        *address = block;
        return said(cudaSuccess);
    }
    cudaError_t drop(void* address) {
        if (!address) return said(cudaSuccess);
        auto block = blocks.find((uintptr_t)address);
        if (block == blocks.end()) return refused("memory is freed that is not there");
        finish_all();  // as cudaFree does
        used -= block->second;
        blocks.erase(block);
        std::free(address);
        return said(cudaSuccess);
    }
} device, pinned;

}  // namespace

struct CUgraph_st { std::vector<Work> work; };
struct CUgraphExec_st { std::shared_ptr<std::vector<Work>> work; };
struct CUstream_st {
    std::shared_ptr<Queue> queue;
    unsigned flags;
    std::unique_ptr<CUgraph_st> graph;  // while it captures
    cudaStreamCaptureMode mode;
    bool invalid;
};
struct CUevent_st {
    std::shared_ptr<Queue> queue;
    unsigned long long position = 0;
    std::shared_ptr<double> time = std::make_shared<double>(NAN);  // in ms
    bool timed;
};
struct CUmod_st { void* library; };
struct CUfunc_st {
    std::string name;
    const char* (*launch)(const unsigned*, const unsigned*, void**);
    std::vector<std::pair<char, size_t>> parameters;  // kind (p: a pointer) and size in bytes
};

namespace {

CUstream_st default_stream{blocking, 0, nullptr, cudaStreamCaptureModeGlobal, false};
std::vector<CUstream_st*> captures;

CUstream_st* of(cudaStream_t stream) {
    auto number = (uintptr_t)stream;
    return number <= 2 ? &default_stream : stream;  // 0, 1: legacy, 2: per thread
}
double now() {
    using namespace std::chrono;
    return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}
bool blocking_captures() {
    for (CUstream_st* stream : captures)
        if (stream->queue == blocking) return true;
    return false;
}
// what would wait for the device, or allocate on it, breaks captures that are not relaxed
bool unsafe(const char* what) {
    bool broken = false;
    for (CUstream_st* stream : captures)
        if (stream->mode != cudaStreamCaptureModeRelaxed) stream->invalid = broken = true;
    if (broken) std::fprintf(stderr, "software GPU: %s while a stream captures\n", what);
    return broken;
}
cudaError_t submit(cudaStream_t given, Work work) {
    CUstream_st* stream = of(given);
    if (stream->graph) {
        stream->graph->work.push_back(std::move(work));
        return said(cudaSuccess);
    }
    if (stream->queue == blocking && blocking_captures())
        return refused("work for the default stream while a blocking one captures",
                       cudaErrorStreamCaptureImplicit);
    stream->queue->add(std::move(work));
    if (std::getenv("SOFTWARE_GPU_EAGER")) stream->queue->finish();
    return said(cudaSuccess);
}
cudaError_t waits(CUstream_st* stream, const char* what) {
    if (stream->graph) {
        stream->invalid = true;
        return refused(what, cudaErrorStreamCaptureUnsupported);
    }
    if (stream->queue == blocking && blocking_captures())
        return refused(what, cudaErrorStreamCaptureImplicit);
    return cudaSuccess;
}
bool on_host(const void* address) {
    return !device.has(address, 1);
}
cudaError_t checked(void* to, const void* from, size_t count, cudaMemcpyKind kind) {
    bool to_device = device.has(to, count), from_device = device.has(from, count);
    if (!to_device && device.has(to, 1)) return refused("a copy passes the end of its memory");
    if (!from_device && device.has(from, 1)) return refused("a copy passes the end of its memory");
    if (kind == cudaMemcpyDefault) return cudaSuccess;
    bool want_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool want_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (want_to != to_device || want_from != from_device)
        return refused("a copy's direction is not that of its addresses");
    return cudaSuccess;
}

}  // namespace

#define LOCK std::lock_guard<std::recursive_mutex> lock(everything)
#define RUNTIME extern "C" __attribute__((visibility("default"))) cudaError_t
#define DRIVER extern "C" __attribute__((visibility("default"))) CUresult

// -- the device -----------------------------------------------------------------------------------

RUNTIME cudaDriverGetVersion(int* version) { *version = CUDART_VERSION; return cudaSuccess; }
RUNTIME cudaRuntimeGetVersion(int* version) { *version = CUDART_VERSION; return cudaSuccess; }
RUNTIME cudaGetDeviceCount(int* count) { *count = devices(); return said(cudaSuccess); }
RUNTIME cudaGetDevice(int* number) { *number = current; return said(cudaSuccess); }
RUNTIME cudaSetDevice(int number) {
    if (!there(number)) return said(cudaErrorInvalidDevice);
    current = number;
    return said(cudaSuccess);
}
RUNTIME cudaGetDeviceProperties(cudaDeviceProp* p, int number) {  // CUDA 12's header adds _v2
    if (!there(number)) return said(cudaErrorInvalidDevice);
    std::memset(p, 0, sizeof *p);
    std::strcpy(p->name, "software GPU");
    p->totalGlobalMem = MEMORY;
    const int capability = setting("SOFTWARE_GPU_CAPABILITY", 90);
    p->major = capability / 10;
    p->minor = capability % 10;
    p->multiProcessorCount = 1;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsPerMultiProcessor = 2048;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7fffffff;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->sharedMemPerBlock = 49152;
    p->sharedMemPerBlockOptin = 232448;
    p->sharedMemPerMultiprocessor = 233472;
    p->warpSize = 32;
    p->l2CacheSize = 1 << 16;
    p->memoryBusWidth = 5120;
    p->unifiedAddressing = p->canMapHostMemory = 1;
    return said(cudaSuccess);
}
RUNTIME cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int number) {
    cudaDeviceProp p;
    if (cudaError_t error = cudaGetDeviceProperties(&p, number)) return error;
    switch ((int)attribute) {
        case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
        case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
        case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
        case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; break;
        case cudaDevAttrMaxThreadsPerMultiProcessor: *value = p.maxThreadsPerMultiProcessor; break;
        case cudaDevAttrMaxBlockDimX: *value = p.maxThreadsDim[0]; break;
        case cudaDevAttrMaxBlockDimY: *value = p.maxThreadsDim[1]; break;
        case cudaDevAttrMaxBlockDimZ: *value = p.maxThreadsDim[2]; break;
        case cudaDevAttrMaxGridDimX: *value = p.maxGridSize[0]; break;
        case cudaDevAttrMaxGridDimY: *value = p.maxGridSize[1]; break;
        case cudaDevAttrMaxGridDimZ: *value = p.maxGridSize[2]; break;
        case cudaDevAttrMaxSharedMemoryPerBlock: *value = p.sharedMemPerBlock; break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = p.sharedMemPerBlockOptin; break;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
            *value = p.sharedMemPerMultiprocessor;
            break;
        case cudaDevAttrWarpSize: *value = p.warpSize; break;
        case cudaDevAttrL2CacheSize: *value = p.l2CacheSize; break;
        case cudaDevAttrClockRate: *value = 1980000; break;
        case cudaDevAttrMemoryClockRate: *value = 2619000; break;
        case cudaDevAttrGlobalMemoryBusWidth: *value = p.memoryBusWidth; break;
        case cudaDevAttrUnifiedAddressing: *value = p.unifiedAddressing; break;
        case cudaDevAttrCanMapHostMemory: *value = p.canMapHostMemory; break;
        default: *value = 0;
    }
    return said(cudaSuccess);
}
RUNTIME cudaDeviceGetPCIBusId(char* text, int size, int) {
    std::snprintf(text, size, "0000:00:00.0");
    return said(cudaSuccess);
}
RUNTIME cudaDeviceSynchronize() {
    LOCK;
    if (!captures.empty()) {
        for (CUstream_st* stream : captures) stream->invalid = true;
        return refused("waiting for the device while a stream captures",
                       cudaErrorStreamCaptureUnsupported);
    }
    finish_all();
    return said(cudaSuccess);
}
RUNTIME cudaGetLastError() { cudaError_t e = last; last = stopped; return e; }
RUNTIME cudaPeekAtLastError() { return last; }
RUNTIME cudaProfilerStart() { return cudaSuccess; }
RUNTIME cudaProfilerStop() { return cudaSuccess; }
extern "C" __attribute__((visibility("default"))) const char* cudaGetErrorName(cudaError_t e) {
    switch ((int)e) {
        case cudaSuccess: return "cudaSuccess";
        case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
        case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
        case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
        case cudaErrorNotReady: return "cudaErrorNotReady";
        case cudaErrorNotSupported: return "cudaErrorNotSupported";
        case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
        case cudaErrorAssert: return "cudaErrorAssert";
        case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
        case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
        case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
        case cudaErrorStreamCaptureImplicit: return "cudaErrorStreamCaptureImplicit";
        case cudaErrorIllegalState: return "cudaErrorIllegalState";
        default: return "cudaErrorUnknown";
    }
}
extern "C" __attribute__((visibility("default"))) const char* cudaGetErrorString(cudaError_t e) {
    return e == cudaErrorMemoryAllocation ? "out of memory" : cudaGetErrorName(e);
}

// -- memory ---------------------------------------------------------------------------------------

RUNTIME cudaMalloc(void** address, size_t count) {
    LOCK;
    if (unsafe("memory is asked for")) return said(cudaErrorStreamCaptureUnsupported);
    return device.make(address, count, MEMORY);
}
RUNTIME cudaFree(void* address) {
    LOCK;
    if (unsafe("memory is freed")) return said(cudaErrorStreamCaptureUnsupported);
    return device.drop(address);
}
RUNTIME cudaHostAlloc(void** address, size_t count, unsigned) {
    LOCK;
    return pinned.make(address, count, MEMORY);
}
RUNTIME cudaFreeHost(void* address) {
    LOCK;
    return pinned.drop(address);
}
RUNTIME cudaMemGetInfo(size_t* free, size_t* total) {
    LOCK;
    *free = MEMORY - device.used;
    *total = MEMORY;
    return said(cudaSuccess);
}
RUNTIME cudaPointerGetAttributes(cudaPointerAttributes* result, const void* address) {
    LOCK;
    std::memset(result, 0, sizeof *result);
    result->device = -2;
    if (device.has(address, 1)) {
        result->type = cudaMemoryTypeDevice;
        result->device = current;
        result->devicePointer = (void*)address;
    } else if (pinned.has(address, 1)) {
        result->type = cudaMemoryTypeHost;
        result->device = current;
        result->hostPointer = result->devicePointer = (void*)address;
    } else {
        result->type = cudaMemoryTypeUnregistered;
        result->hostPointer = (void*)address;
    }
    return said(cudaSuccess);
}
RUNTIME cudaMemcpyAsync(
    void* to, const void* from, size_t count, cudaMemcpyKind kind, cudaStream_t stream
) {
    LOCK;
    if (count == 0) return said(cudaSuccess);
    if (cudaError_t error = checked(to, from, count, kind)) return error;
    bool pageable_from = on_host(from) && !pinned.has(from, count);
    bool pageable_to = on_host(to) && !pinned.has(to, count);
    if (pageable_from && !of(stream)->graph) {  // CUDA has read it when the call returns
        auto first = (const char*)from;
        auto copy = std::make_shared<std::vector<char>>(first, first + count);
        return submit(stream, [=] { std::memcpy(to, copy->data(), count); });
    }
    cudaError_t error = submit(stream, [=] { std::memmove(to, from, count); });
    if (!error && pageable_to && !of(stream)->graph) of(stream)->queue->finish();
    return said(error);
}
RUNTIME cudaMemcpy(void* to, const void* from, size_t count, cudaMemcpyKind kind) {
    LOCK;
    if (unsafe("a copy that waits")) return said(cudaErrorStreamCaptureUnsupported);
    if (cudaError_t error = waits(&default_stream, "a copy that waits while a stream captures"))
        return error;
    if (count == 0) return said(cudaSuccess);
    if (cudaError_t error = checked(to, from, count, kind)) return error;
    blocking->finish();
    if (!stopped) std::memmove(to, from, count);
    return said(cudaSuccess);
}
RUNTIME cudaMemsetAsync(void* address, int value, size_t count, cudaStream_t stream) {
    LOCK;
    if (count && !device.has(address, count)) return refused("memory is set that is not there");
    return submit(stream, [=] { std::memset(address, value, count); });
}
RUNTIME cudaMemset(void* address, int value, size_t count) {
    return cudaMemsetAsync(address, value, count, nullptr);
}

// -- streams and events ---------------------------------------------------------------------------

RUNTIME cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
    LOCK;
    auto queue = flags & cudaStreamNonBlocking ? std::make_shared<Queue>() : blocking;
    if (queue != blocking) queues.push_back(queue);
    *stream = new CUstream_st{queue, flags, nullptr, cudaStreamCaptureModeGlobal, false};
    return said(cudaSuccess);
}
RUNTIME cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
    return cudaStreamCreateWithPriority(stream, flags, 0);
}
RUNTIME cudaStreamCreate(cudaStream_t* stream) {
    return cudaStreamCreateWithPriority(stream, 0, 0);
}
RUNTIME cudaStreamDestroy(cudaStream_t stream) {
    LOCK;
    stream->queue->finish();  // CUDA lets it end by itself
    delete stream;
    return said(cudaSuccess);
}
RUNTIME cudaStreamSynchronize(cudaStream_t stream) {
    LOCK;
    if (cudaError_t error = waits(of(stream), "waiting for a stream while one captures"))
        return error;
    of(stream)->queue->finish();
    return said(cudaSuccess);
}
RUNTIME cudaStreamQuery(cudaStream_t stream) {
    LOCK;
    if (of(stream)->graph) return said(cudaErrorStreamCaptureUnsupported);
    Queue& queue = *of(stream)->queue;
    queue.finish(queue.done + 1);
    return stopped || queue.work.empty() ? said(cudaSuccess) : cudaErrorNotReady;
}
RUNTIME cudaStreamGetFlags(cudaStream_t stream, unsigned* flags) {
    *flags = of(stream)->flags;
    return said(cudaSuccess);
}
RUNTIME cudaStreamGetPriority(cudaStream_t, int* priority) {
    *priority = 0;
    return said(cudaSuccess);
}
RUNTIME cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
    LOCK;
    return submit(stream, [=] { function(data); });
}
__attribute__((visibility("default"))) cudaError_t software_gpu_submit(
    cudaStream_t stream, Work work
) {
    LOCK;
    return submit(stream, std::move(work));
}
RUNTIME cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
    *event = new CUevent_st;
    (*event)->timed = !(flags & cudaEventDisableTiming);
    return said(cudaSuccess);
}
RUNTIME cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
RUNTIME cudaEventDestroy(cudaEvent_t event) {
    LOCK;
    delete event;
    return said(cudaSuccess);
}
RUNTIME cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    LOCK;
    if (of(stream)->graph) return refused("an event in a captured stream", cudaErrorNotSupported);
    event->queue = of(stream)->queue;
    event->time = std::make_shared<double>(NAN);
    cudaError_t error = submit(stream, [time = event->time] { *time = now(); });
    event->position = event->queue->added;
    if (event->timed) event->queue->finish();  // a GPU would not have waited with its work
    return said(error);
}
RUNTIME cudaEventSynchronize(cudaEvent_t event) {
    LOCK;
    if (event->queue) event->queue->finish(event->position);
    return said(cudaSuccess);
}
RUNTIME cudaEventQuery(cudaEvent_t event) {
    LOCK;
    if (!event->queue) return said(cudaSuccess);
    event->queue->finish(event->queue->done + 1);
    bool ready = event->queue->done >= event->position;
    return stopped || ready ? said(cudaSuccess) : cudaErrorNotReady;
}
RUNTIME cudaEventElapsedTime(float* ms, cudaEvent_t first, cudaEvent_t second) {
    LOCK;
    if (!first->timed || !second->timed || !first->queue || !second->queue)
        return refused("the time between events that keep none", cudaErrorInvalidResourceHandle);
    if (std::isnan(*first->time) || std::isnan(*second->time)) return said(cudaErrorNotReady);
    *ms = *second->time - *first->time;
    return said(cudaSuccess);
}
RUNTIME cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    LOCK;
    if (!event->queue) return said(cudaSuccess);
    if (of(stream)->graph) return refused("a captured wait for an event", cudaErrorNotSupported);
    return submit(stream, [queue = event->queue, at = event->position] { queue->finish(at); });
}

// -- graphs ---------------------------------------------------------------------------------------

RUNTIME cudaStreamBeginCapture(cudaStream_t given, cudaStreamCaptureMode mode) {
    LOCK;
    CUstream_st* stream = of(given);
    if (stream == &default_stream || stream->graph)
        return refused("this stream cannot capture", cudaErrorStreamCaptureUnsupported);
    stream->graph = std::make_unique<CUgraph_st>();
    stream->mode = mode;
    stream->invalid = false;
    captures.push_back(stream);
    return said(cudaSuccess);
}
RUNTIME cudaStreamEndCapture(cudaStream_t given, cudaGraph_t* graph) {
    LOCK;
    CUstream_st* stream = of(given);
    *graph = nullptr;
    if (!stream->graph) return refused("this stream does not capture", cudaErrorIllegalState);
    for (size_t i = 0; i < captures.size(); i++)
        if (captures[i] == stream) captures.erase(captures.begin() + i--);
    std::unique_ptr<CUgraph_st> made = std::move(stream->graph);
    if (stream->invalid) return said(cudaErrorStreamCaptureInvalidated);
    *graph = made.release();
    return said(cudaSuccess);
}
RUNTIME cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
    LOCK;
    CUstream_st* own = of(stream);
    if (own == &default_stream && blocking_captures()) return said(cudaErrorStreamCaptureImplicit);
    *status = !own->graph    ? cudaStreamCaptureStatusNone
              : own->invalid ? cudaStreamCaptureStatusInvalidated
                             : cudaStreamCaptureStatusActive;
    return said(cudaSuccess);
}
RUNTIME cudaGraphInstantiate(cudaGraphExec_t* result, cudaGraph_t graph, unsigned long long) {
    LOCK;
    *result = new CUgraphExec_st{std::make_shared<std::vector<Work>>(graph->work)};
    return said(cudaSuccess);
}
RUNTIME cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return said(cudaSuccess); }
RUNTIME cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
    LOCK;
    return submit(stream, [work = graph->work] {
        for (const Work& one : *work)
            if (!stopped) one();
    });
}
RUNTIME cudaGraphDestroy(cudaGraph_t graph) { delete graph; return said(cudaSuccess); }
RUNTIME cudaGraphExecDestroy(cudaGraphExec_t graph) { delete graph; return said(cudaSuccess); }
RUNTIME cudaGraphDebugDotPrint(cudaGraph_t graph, const char* path, unsigned) {
    FILE* file = std::fopen(path, "w");
    if (!file) return said(cudaErrorOperatingSystem);
    std::fprintf(file, "digraph dot {\n");
    for (size_t i = 0; i < graph->work.size(); i++)
        std::fprintf(file, "\"graph_1_node_%zu\"[label=\"%zu\"];\n", i, i);
    std::fprintf(file, "}\n");
    std::fclose(file);
    return said(cudaSuccess);
}

// -- the driver: modules and launches -------------------------------------------------------------

DRIVER cuInit(unsigned) { return CUDA_SUCCESS; }
DRIVER cuGetExportTable(const void** table, const CUuuid*) {  // for NVIDIA's own NVRTC
    *table = nullptr;
    return CUDA_ERROR_NOT_FOUND;
}
DRIVER cuDriverGetVersion(int* version) { *version = CUDA_VERSION; return CUDA_SUCCESS; }
DRIVER cuGetErrorName(CUresult error, const char** text) {
    *text = error == CUDA_SUCCESS ? "CUDA_SUCCESS" : cudaGetErrorName((cudaError_t)error);
    return CUDA_SUCCESS;
}
DRIVER cuGetErrorString(CUresult error, const char** text) { return cuGetErrorName(error, text); }
DRIVER cuCtxGetCurrent(CUcontext* context) { *context = (CUcontext)1; return CUDA_SUCCESS; }
DRIVER cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }
DRIVER cuCtxGetDevice(CUdevice* number) { *number = current; return CUDA_SUCCESS; }
namespace {

// A library of the host with what PTX does, kept by its text; the empty path where it cannot be made.
std::string translated(const std::string& ptx) {
    const std::string folder = std::getenv("SOFTWARE_GPU_FOLDER");
    const size_t key = std::hash<std::string>()(std::getenv("SOFTWARE_GPU_KEY") + ptx);
    const std::string stem = folder + "/" + std::to_string(key);
    const std::string own = stem + "." + std::to_string(getpid()), built = stem + ".so";
    if (access(built.c_str(), R_OK) == 0) return built;
    std::ofstream(own + ".ptx") << ptx;
    const std::string command =
        std::getenv("SOFTWARE_GPU_TRANSLATOR") + (" " + own + ".ptx " + own + ".cpp && ")
        + std::getenv("SOFTWARE_GPU_COMPILER") + " -o " + own + ".so " + own + ".cpp";
    if (std::system(command.c_str())) {
        std::fprintf(stderr, "software GPU: this failed: %s\n", command.c_str());
        return "";
    }
    std::rename((own + ".so").c_str(), built.c_str());
    std::remove((own + ".ptx").c_str());
    std::remove((own + ".cpp").c_str());
    return built;
}

}  // namespace

DRIVER cuModuleLoadData(CUmodule* module, const void* image) {
    LOCK;
    if (unsafe("a module is loaded")) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    const std::string path = translated((const char*)image);
    if (path.empty()) return CUDA_ERROR_INVALID_PTX;
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        std::fprintf(stderr, "software GPU: %s\n", dlerror());
        return CUDA_ERROR_INVALID_IMAGE;
    }
    *module = new CUmod_st{library};
    return CUDA_SUCCESS;
}
DRIVER cuModuleUnload(CUmodule module) {
    delete module;  // what was launched may still be queued: the library stays
    return CUDA_SUCCESS;
}
DRIVER cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
    LOCK;
    auto launch = dlsym(module->library, ("launch_" + std::string(name)).c_str());
    auto signature = dlsym(module->library, ("signature_" + std::string(name)).c_str());
    if (!launch || !signature) return CUDA_ERROR_NOT_FOUND;
    auto made = new CUfunc_st{name, (decltype(CUfunc_st::launch))launch, {}};
    const char* kinds = ((const char* (*)())signature)();  // "p8 i4 s120 "
    for (int used = 0; *kinds; kinds += used) {
        char kind;
        size_t size;
        if (std::sscanf(kinds, "%c%zu %n", &kind, &size, &used) != 2) break;
        made->parameters.emplace_back(kind, size);
    }
    *function = made;
    return CUDA_SUCCESS;
}
DRIVER cuLaunchKernel(
    CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
    unsigned bz, unsigned, CUstream stream, void** parameters, void**
) {
    LOCK;
    unsigned long long threads = (unsigned long long)bx * by * bz;
    bool fits = gx && gy && gz && gx <= 0x7fffffff && gy <= 65535 && gz <= 65535;
    if (!fits || !threads || threads > 1024 || bz > 64)
        return (CUresult)refused("a grid or block that no device takes");
    auto values = std::make_shared<std::vector<std::vector<char>>>();
    size_t together = 0;
    for (auto [kind, size] : function->parameters) {
        auto from = (const char*)*parameters++;
        values->emplace_back(from, from + size);
        together += size;
        const void* address = kind == 'p' ? *(const void**)from : nullptr;
        if (address && !device.has(address, 0) && !pinned.has(address, 0))
            return (CUresult)refused("a kernel is given an address of the host");
    }
    if (together > 4096) return (CUresult)refused("a kernel's arguments take over 4096 bytes");
    return (CUresult)submit(stream, [=] {
        const unsigned grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
        std::vector<void*> arguments;
        for (auto& value : *values) arguments.push_back(value.data());
        if (const char* text = function->launch(grid, block, arguments.data())) {
            std::fputs(text, stdout);  // as the device's printf
            std::fflush(stdout);
            stopped = last = cudaErrorLaunchFailure;
        }
    });
}
DRIVER cuFuncGetAttribute(int* value, CUfunction_attribute, CUfunction) {
    *value = 0;
    return CUDA_SUCCESS;
}
DRIVER cuFuncSetAttribute(CUfunction, CUfunction_attribute, int) { return CUDA_SUCCESS; }
DRIVER cuOccupancyMaxPotentialBlockSize(
    int* grid, int* block, CUfunction, CUoccupancyB2DSize, size_t, int limit
) {
    *grid = 1;
    *block = limit ? limit : 1024;
    return CUDA_SUCCESS;
}
DRIVER cuOccupancyMaxActiveBlocksPerMultiprocessor(int* count, CUfunction, int, size_t) {
    *count = 1;
    return CUDA_SUCCESS;
}

// in the place of all others
RUNTIME software_gpu_missing() {
    return refused("a function of the runtime that is not there", cudaErrorNotSupported);
}
