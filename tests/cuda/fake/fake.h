// fake.h - the inside of the fake libcuda.so.1: what the handles of the driver
// API point to.
//
// Without FAKE_CUDA_ASYNC every operation is done when the call returns; with
// it each stream has a thread, as on a GPU.  One mutex guards all of this; it
// is not held while an operation runs.
#pragma once
#include "config.h"
#include "cuda/emulator.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

extern "C" {
#include "runtime/cuda_api.h"
#define EXPORT __attribute__((visibility("default")))
// The definitions must match what the runtime calls.
#define CUDA_SYM(name, parameters) EXPORT CudaResult name parameters;
#include "runtime/cuda_syms.def"
#undef CUDA_SYM
}

// Results of the driver that the runtime does not name.
enum {
    INVALID_VALUE = 1,
    NOT_INITIALIZED = 3,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    PEER_ACCESS_UNSUPPORTED = 217,
    NO_BINARY_FOR_GPU = 209,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_OUT_OF_RESOURCES = 701,
    LAUNCH_FAILED = 719,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
    CAPTURE_UNMATCHED = 903,
    CAPTURE_UNJOINED = 904,
    UNKNOWN = 999
};

inline CudaResult valid_if(bool ok)
{
    if (ok)
        return CUDA_OK;
    return INVALID_VALUE;
}

// Something to do in order; says how it went.
using Operation = std::function<CudaResult()>;

struct CUgraph_st {
    std::vector<Operation> operation;
    std::set<CUstream_st *> forked; // streams that must come back
    bool invalid = false;
};

struct CUgraphExec_st {
    CUctx_st *context;
    std::vector<Operation> operation;
};

struct CUstream_st {
    CUctx_st *context;
    CUgraph_st *capture = nullptr; // what it records into
    bool origin = false;           // where the capture began
    std::thread::id capturer;
    std::deque<Operation> queue;
    bool busy = false, stop = false;
    std::thread worker;
};

struct CUevent_st {
    CUctx_st *context;
    bool timed;
    uint64_t recorded = 0, done = 0; // numbers of records
    double time = 0;                 // seconds, of the last one done
    CUgraph_st *capture = nullptr;   // where it was last recorded
    CUstream_st *captured_on = nullptr;
};

struct CUfunc_st {
    CUmod_st *module;
    const char *name;
    unsigned threads, call_bytes;
    int dynamic_shared; // bytes a launch may ask for
};

struct CUmod_st {
    CUctx_st *context;
    EmuUnit *unit;
    std::vector<CUfunc_st *> function;
};

struct CUctx_st {
    int device;
    int retained = 0;
    std::atomic<CudaResult> broken{
        CUDA_OK}; // the first failure of a kernel, for good
    std::set<CUctx_st *> peers;
    CUstream_st null_stream;
};

namespace fake {

struct Memory {
    CUctx_st *context; // NULL: pinned host memory
    size_t bytes;
};

extern std::mutex lock;
extern std::condition_variable &changed;
extern thread_local CUctx_st *current;
extern thread_local int captures; // that this thread has begun

CUctx_st *context_of(int device);

// Counts the call; a failure asked for, or of the context.
enum Needs { NEEDS_INIT, NEEDS_CONTEXT, NEEDS_NO_CAPTURE };
CudaResult enter(const char *name, Needs needs);
#define ENTER(needs)                                                           \
    if (CudaResult entered = fake::enter(__func__, fake::needs))               \
    return entered

// ---- memory
// Are the n bytes inside one allocation of a device?
bool is_device_memory(CudaAddress p, size_t n);
bool is_pinned(const void *p, size_t n);
// Says which allocation was written outside its bounds, in "" if none.
std::string damage();

// ---- streams
// Does the operation, in its turn, or records it.
CudaResult submit(CudaStream *s, Operation op);
CudaResult drain(CudaStream *s);
void drain_all();

// ---- for report_left
void report_left_memory(FILE *f);
void report_left_streams(FILE *f);
void report_left_modules(FILE *f);

} // namespace fake
