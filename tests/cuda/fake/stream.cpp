// Streams, events, graphs.
#include "fake.h"

#include <chrono>

namespace fake {
namespace {

// Never destroyed: the report at the end of the process reads them.
auto &streams = *new std::set<CUstream_st *>();
auto &workers = *new std::set<CUstream_st *>(); // those with a thread
auto &events = *new std::set<CUevent_st *>();
auto &graphs = *new std::set<CUgraph_st *>();
auto &execs = *new std::set<CUgraphExec_st *>();

using Guard = std::unique_lock<std::mutex>;

double now()
{
    auto t = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(t).count();
}

bool async() { return setting("FAKE_CUDA_ASYNC", 0) != 0; }

CUstream_st *real(CudaStream *s) { return s ? s : &current->null_stream; }

bool is_stream(CUstream_st *s)
{
    return s == &current->null_stream || streams.count(s);
}

// A context fails for good with its first kernel that fails.
CudaResult perform(CUstream_st *s, const Operation &op)
{
    if (CudaResult before = s->context->broken)
        return before;
    CudaResult r = op();
    if (r)
        s->context->broken = r;
    return r;
}

void work(CUstream_st *s)
{
    Guard guard(lock);
    for (;;) {
        changed.wait(guard, [&] { return s->stop || !s->queue.empty(); });
        if (s->queue.empty())
            return;
        Operation op = std::move(s->queue.front());
        s->queue.pop_front();
        s->busy = true;
        guard.unlock();
        perform(s, op);
        op = nullptr;
        guard.lock();
        s->busy = false;
        changed.notify_all();
    }
}

void enqueue(CUstream_st *s, Operation op)
{
    Guard guard(lock);
    if (workers.insert(s).second)
        s->worker = std::thread(work, s);
    s->queue.push_back(std::move(op));
    changed.notify_all();
}

void stop(CUstream_st *s)
{
    {
        Guard guard(lock);
        s->stop = true;
        changed.notify_all();
    }
    if (s->worker.joinable())
        s->worker.join();
}

void stop_workers()
{
    for (CUstream_st *s : workers)
        stop(s);
}

void wait_idle(CUstream_st *s, Guard &guard)
{
    changed.wait(guard, [&] { return s->queue.empty() && !s->busy; });
}

// The streams of a process that ends without giving them back.
struct Stop {
    ~Stop() { stop_workers(); }
} stop_at_end;

CudaResult wait_for(CUevent_st *e, uint64_t number)
{
    Guard guard(lock);
    changed.wait(guard, [&] { return e->done >= number; });
    return CUDA_OK;
}

CudaResult mark(CUevent_st *e, uint64_t number)
{
    Guard guard(lock);
    e->done = number;
    e->time = now();
    changed.notify_all();
    return CUDA_OK;
}

// Operations that record an event have a number at the time of their call.
Operation marker(CUevent_st *e)
{
    uint64_t number = ++e->recorded;
    return [=] { return mark(e, number); };
}

} // namespace

CudaResult submit(CudaStream *stream, Operation op)
{
    CUstream_st *s = real(stream);
    {
        Guard guard(lock);
        if (!is_stream(s))
            return INVALID_HANDLE;
        if (s->context != current)
            return INVALID_CONTEXT;
        if (s->capture) {
            s->capture->operation.push_back(std::move(op));
            return CUDA_OK;
        }
    }
    if (!async())
        return perform(s, op);
    enqueue(s, std::move(op));
    return CUDA_OK;
}

CudaResult drain(CudaStream *stream)
{
    CUstream_st *s = real(stream);
    Guard guard(lock);
    if (!is_stream(s))
        return INVALID_HANDLE;
    if (s->capture) {
        s->capture->invalid = true;
        return CAPTURE_UNSUPPORTED;
    }
    wait_idle(s, guard);
    return s->context->broken;
}

void drain_all()
{
    Guard guard(lock);
    for (CUstream_st *s : streams)
        wait_idle(s, guard);
    wait_idle(&current->null_stream, guard);
}

void report_left_streams(FILE *f)
{
    fprintf(
        f,
        "left streams %zu\nleft events %zu\nleft graphs %zu\nleft execs %zu\n",
        streams.size(), events.size(), graphs.size(), execs.size());
}

} // namespace fake

using namespace fake;

CudaResult cuStreamCreate(CudaStream **s, unsigned flags)
{
    ENTER(NEEDS_CONTEXT);
    if (flags & ~1u)
        return INVALID_VALUE;
    Guard guard(lock);
    *s = new CUstream_st();
    (*s)->context = current;
    streams.insert(*s);
    return CUDA_OK;
}

CudaResult cuStreamDestroy_v2(CudaStream *s)
{
    ENTER(NEEDS_INIT);
    {
        Guard guard(lock);
        if (!streams.erase(s))
            return INVALID_HANDLE;
        workers.erase(s);
    }
    stop(s);
    delete s;
    return CUDA_OK;
}

CudaResult cuStreamSynchronize(CudaStream *s)
{
    ENTER(NEEDS_CONTEXT);
    return drain(s);
}

// Of an event recorded in a capture: the stream joins the capture.
CudaResult cuStreamWaitEvent(CudaStream *stream, CudaEvent *e, unsigned flags)
{
    ENTER(NEEDS_CONTEXT);
    CUstream_st *s = real(stream);
    uint64_t number;
    {
        Guard guard(lock);
        if (flags)
            return INVALID_VALUE;
        if (!is_stream(s) || !events.count(e))
            return INVALID_HANDLE;
        if (e->capture) {
            if (s->capture && s->capture != e->capture)
                return CAPTURE_INVALIDATED;
            if (!s->capture)
                e->capture->forked.insert(s);
            s->capture = e->capture;
            if (e->captured_on && s != e->captured_on)
                s->capture->forked.erase(e->captured_on);
            return CUDA_OK;
        }
        number = e->recorded;
    }
    return submit(stream, [=] { return wait_for(e, number); });
}

CudaResult cuLaunchHostFunc(CudaStream *s, CudaHostFn *fn, void *ctx)
{
    ENTER(NEEDS_CONTEXT);
    return submit(s, [=] {
        fn(ctx);
        return CUDA_OK;
    });
}

CudaResult cuEventCreate(CudaEvent **e, unsigned flags)
{
    ENTER(NEEDS_CONTEXT);
    if (flags & ~7u)
        return INVALID_VALUE;
    Guard guard(lock);
    *e = new CUevent_st();
    (*e)->context = current;
    (*e)->timed = !(flags & CUDA_EVENT_UNTIMED);
    events.insert(*e);
    return CUDA_OK;
}

CudaResult cuEventDestroy_v2(CudaEvent *e)
{
    ENTER(NEEDS_INIT);
    Guard guard(lock);
    if (!events.count(e))
        return INVALID_HANDLE;
    changed.wait(guard, [&] { return e->done >= e->recorded; });
    events.erase(e);
    delete e;
    return CUDA_OK;
}

CudaResult cuEventRecord(CudaEvent *e, CudaStream *stream)
{
    ENTER(NEEDS_CONTEXT);
    CUstream_st *s = real(stream);
    Operation op;
    {
        Guard guard(lock);
        if (!events.count(e) || !is_stream(s) || e->context != s->context)
            return INVALID_HANDLE;
        e->capture = s->capture;
        e->captured_on = s->capture ? s : nullptr;
        if (s->capture)
            return CUDA_OK;
        op = marker(e);
    }
    return submit(stream, op);
}

CudaResult cuEventSynchronize(CudaEvent *e)
{
    ENTER(NEEDS_CONTEXT);
    {
        Guard guard(lock);
        if (!events.count(e))
            return INVALID_HANDLE;
        if (e->capture)
            return CAPTURE_UNSUPPORTED;
    }
    wait_for(e, e->recorded);
    return current->broken;
}

CudaResult cuEventElapsedTime(float *ms, CudaEvent *from, CudaEvent *to)
{
    ENTER(NEEDS_CONTEXT);
    Guard guard(lock);
    for (CUevent_st *e : {from, to}) {
        if (!events.count(e) || !e->timed || !e->recorded || e->capture)
            return INVALID_HANDLE;
        if (e->done < e->recorded)
            return NOT_READY;
    }
    *ms = (float)((to->time - from->time) * 1000);
    return CUDA_OK;
}

CudaResult cuStreamBeginCapture_v2(CudaStream *s, CudaCaptureMode mode)
{
    ENTER(NEEDS_CONTEXT);
    (void)mode;
    Guard guard(lock);
    if (!s)
        return CAPTURE_UNSUPPORTED;
    if (!streams.count(s) || s->capture)
        return INVALID_HANDLE;
    s->capture = new CUgraph_st();
    graphs.insert(s->capture);
    s->origin = true;
    s->capturer = std::this_thread::get_id();
    captures++;
    return CUDA_OK;
}

// Ends the capture on all its streams and events.
static void leave_capture(CUgraph_st *g)
{
    for (CUstream_st *s : streams)
        if (s->capture == g) {
            s->capture = nullptr;
            s->origin = false;
        }
    for (CUevent_st *e : events)
        if (e->capture == g)
            e->captured_on = nullptr;
}

CudaResult cuStreamEndCapture(CudaStream *s, CudaGraph **out)
{
    ENTER(NEEDS_CONTEXT);
    Guard guard(lock);
    *out = nullptr;
    if (!streams.count(s) || !s->capture || !s->origin ||
        s->capturer != std::this_thread::get_id())
        return CAPTURE_UNMATCHED;
    CUgraph_st *g = s->capture;
    CudaResult r = CUDA_OK;
    if (g->invalid)
        r = CAPTURE_INVALIDATED;
    else if (!g->forked.empty())
        r = CAPTURE_UNJOINED;
    leave_capture(g);
    captures--;
    if (r) {
        graphs.erase(g);
        delete g;
        return r;
    }
    *out = g;
    return CUDA_OK;
}

CudaResult cuGraphInstantiateWithFlags(CudaGraphExec **x, CudaGraph *g,
                                       unsigned long long flags)
{
    ENTER(NEEDS_CONTEXT);
    Guard guard(lock);
    if (!graphs.count(g))
        return INVALID_HANDLE;
    if (flags)
        return INVALID_VALUE;
    *x = new CUgraphExec_st{current, g->operation};
    execs.insert(*x);
    return CUDA_OK;
}

CudaResult cuGraphDestroy(CudaGraph *g)
{
    ENTER(NEEDS_INIT);
    Guard guard(lock);
    if (!graphs.erase(g))
        return INVALID_HANDLE;
    for (CUevent_st *e : events)
        if (e->capture == g)
            e->capture = nullptr;
    delete g;
    return CUDA_OK;
}

CudaResult cuGraphExecDestroy(CudaGraphExec *x)
{
    ENTER(NEEDS_INIT);
    Guard guard(lock);
    if (!execs.erase(x))
        return INVALID_HANDLE;
    delete x;
    return CUDA_OK;
}

CudaResult cuGraphLaunch(CudaGraphExec *x, CudaStream *s)
{
    ENTER(NEEDS_CONTEXT);
    {
        Guard guard(lock);
        if (!execs.count(x))
            return INVALID_HANDLE;
    }
    for (const Operation &op : x->operation)
        if (CudaResult r = submit(s, op))
            return r;
    return CUDA_OK;
}
