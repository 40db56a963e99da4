// NCCL between the processes of one machine, through memory that they share. Collectives are work
// of their stream, as NCCL's are: each process comes to them when its own queue does.
#include <cuda_runtime_api.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "queue.h"

namespace {

enum Result { SUCCESS = 0, SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4 };
const size_t PIECE = 1 << 20;  // bytes of each rank at a time

struct Id { char name[128]; };
struct Shared {
    std::atomic<int> arrived, round;
};
struct Communicator {
    int ranks, rank;
    Shared* shared;
    char* pieces;

    void meet() {
        int round = shared->round;
        if (++shared->arrived == ranks) {
            shared->arrived = 0;
            shared->round++;
        } else {
            while (shared->round == round) sched_yield();
        }
    }
    char* piece(int of) { return pieces + of * PIECE; }
};

size_t size_of(int type) {
    static const size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
    return type >= 0 && type < 10 ? sizes[type] : 0;
}
template <typename T> void add(Communicator* all, T* to, size_t count) {
    for (size_t i = 0; i < count; i++) {
        T sum = 0;
        for (int r = 0; r < all->ranks; r++) sum += ((T*)all->piece(r))[i];
        to[i] = sum;
    }
}
// The others wait for this rank's part. A GPU goes on while its host waits for another's, in MPI;
// here that would be for ever, so what the ranks do together is done at once.
Result submit(cudaStream_t stream, Work work) {
    if (software_gpu_submit(stream, std::move(work))) return SYSTEM_ERROR;
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    if (cudaStreamIsCapturing(stream, &status) || status != cudaStreamCaptureStatusNone)
        return SUCCESS;
    return cudaStreamSynchronize(stream) ? SYSTEM_ERROR : SUCCESS;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default"))) Result

extern "C" __attribute__((visibility("default"))) const char* ncclGetErrorString(Result result) {
    return result ? "error of the software NCCL" : "no error";
}
API ncclGetVersion(int* version) { *version = 22703; return SUCCESS; }
API ncclGetUniqueId(Id* id) {
    std::snprintf(id->name, sizeof id->name, "/software-nccl-%d", (int)getpid());
    shm_unlink(id->name);
    return SUCCESS;
}
API ncclCommInitRankConfig(Communicator** made, int ranks, Id id, int rank, void*) {
    int file = shm_open(id.name, O_CREAT | O_RDWR, 0600);
    size_t size = sizeof(Shared) + ranks * PIECE;
    if (file < 0 || ftruncate(file, size)) return SYSTEM_ERROR;
    void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (at == MAP_FAILED) return SYSTEM_ERROR;
    *made = new Communicator{ranks, rank, (Shared*)at, (char*)at + sizeof(Shared)};
    (*made)->meet();
    if (rank == 0) shm_unlink(id.name);
    return SUCCESS;
}
API ncclCommInitRank(Communicator** made, int ranks, Id id, int rank) {
    return ncclCommInitRankConfig(made, ranks, id, rank, nullptr);
}
API ncclCommDestroy(Communicator* all) { delete all; return SUCCESS; }
API ncclCommAbort(Communicator* all) { delete all; return SUCCESS; }
API ncclCommCount(Communicator* all, int* count) { *count = all->ranks; return SUCCESS; }
API ncclCommUserRank(Communicator* all, int* rank) { *rank = all->rank; return SUCCESS; }
API ncclAllReduce(
    const void* from, void* to, size_t count, int type, int op, Communicator* all,
    cudaStream_t stream
) {
    size_t size = size_of(type);
    if (op != 0 || !size) return INVALID_ARGUMENT;  // sums
    return submit(stream, [=] {
        for (size_t first = 0; first < count; first += PIECE / size) {
            size_t n = std::min(count - first, PIECE / size);
            char* own = (char*)to + first * size;
            std::memcpy(all->piece(all->rank), (const char*)from + first * size, n * size);
            all->meet();
            switch (type) {
                case 0: add(all, (int8_t*)own, n); break;
                case 1: add(all, (uint8_t*)own, n); break;
                case 2: add(all, (int32_t*)own, n); break;
                case 3: add(all, (uint32_t*)own, n); break;
                case 4: add(all, (int64_t*)own, n); break;
                case 5: add(all, (uint64_t*)own, n); break;
                case 6: add(all, (_Float16*)own, n); break;
                case 7: add(all, (float*)own, n); break;
                case 8: add(all, (double*)own, n); break;
                default: std::fprintf(stderr, "software GPU: no sums of type %d\n", type);
            }
            all->meet();
        }
    });
}
API ncclBroadcast(
    const void* from, void* to, size_t count, int type, int root, Communicator* all,
    cudaStream_t stream
) {
    size_t bytes = count * size_of(type);
    return submit(stream, [=] {
        for (size_t first = 0; first < bytes; first += PIECE) {
            size_t n = std::min(bytes - first, PIECE);
            if (all->rank == root) std::memcpy(all->piece(root), (const char*)from + first, n);
            all->meet();
            std::memcpy((char*)to + first, all->piece(root), n);
            all->meet();
        }
    });
}
API ncclBcast(
    void* buffer, size_t count, int type, int root, Communicator* all, cudaStream_t stream
) {
    return ncclBroadcast(buffer, buffer, count, type, root, all, stream);
}
API ncclGroupStart() { return SUCCESS; }
API ncclGroupEnd() { return SUCCESS; }
