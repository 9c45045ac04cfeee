/* NCCL: sums over processes of one machine, which communicate by shared memory. Sums are made in the order of the ranks. */
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#pragma GCC visibility push(default)
#include <nccl.h>
#pragma GCC visibility pop

#include "fake.h"

enum { RANKS_MAX = 64, CHUNK = 1 << 16 /* floats */, PATIENCE = 60 /* s */ };

struct meeting {
    atomic_int arrived, round;
    struct {
        int device, ranks;
        bool captured; /* the sum that it is at: whether it is captured, */
        long call;     /* and its number, as counted by the host when it enqueued or recorded the sum */
        size_t count;
    } member[RANKS_MAX];
    float values[RANKS_MAX][CHUNK];
};

struct ncclComm {
    struct meeting *meeting;
    int rank, ranks;
    long calls, recorded; /* recorded: those in the last capture */
    unsigned long capture; /* the capture's number; 0: nothing was ever captured */
};

/* ---- meeting ---- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double patience(void)
{
    const char *text = getenv("FAKECUDA_PATIENCE");
    return text && *text ? atof(text) : PATIENCE;
}

static void meet(struct meeting *m, int ranks, const char *where)
{
    int round = atomic_load(&m->round);
    double until = seconds() + patience();
    if (atomic_fetch_add(&m->arrived, 1) + 1 == ranks) {
        atomic_store(&m->arrived, 0);
        atomic_fetch_add(&m->round, 1);
        return;
    }
    while (atomic_load(&m->round) == round) {
        if (seconds() > until)
            fake_misuse("%s: %d of %d ranks came within %g s (a rank whose work nobody waits for does not come)", where,
                        atomic_load(&m->arrived), ranks, patience());
        sched_yield();
    }
}

/* The identity is the path of an unnamed file that this process holds open. */
ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    if (fake_call(__func__))
        return ncclSystemError;
    if (!id)
        return ncclInvalidArgument;
    int file = memfd_create("fake-nccl", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, sizeof(struct meeting)))
        return ncclSystemError;
    memset(id, 0, sizeof *id);
    snprintf(id->internal, sizeof id->internal, "/proc/%ld/fd/%d", (long)getpid(), file);
    return ncclSuccess;
}

static struct meeting *attend(const ncclUniqueId *id)
{
    int file = memchr(id->internal, 0, sizeof id->internal) ? open(id->internal, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return NULL;
    struct meeting *m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return m == MAP_FAILED ? NULL : m;
}

/* Like the real one's check: "Duplicate GPU detected". */
static bool is_duplicate(const struct meeting *m, int ranks)
{
    for (int i = 0; i < ranks; i++)
        for (int j = 0; j < i; j++)
            if (m->member[i].device == m->member[j].device)
                return true;
    return false;
}

static bool agrees(const struct meeting *m, int ranks)
{
    for (int i = 0; i < ranks; i++)
        if (m->member[i].ranks != ranks)
            return false;
    return true;
}

ncclResult_t ncclCommInitRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank)
{
    if (fake_call(__func__))
        return ncclSystemError;
    if (!comm || ranks < 1 || rank < 0 || rank >= ranks)
        return ncclInvalidArgument;
    if (fake_device() < 0)
        return ncclUnhandledCudaError;
    if (ranks > RANKS_MAX)
        fake_misuse("ncclCommInitRank: at most %d ranks here", RANKS_MAX);
    struct meeting *m = attend(&id);
    if (!m)
        return ncclSystemError;
    m->member[rank].device = fake_gpu();
    m->member[rank].ranks = ranks;
    meet(m, ranks, "ncclCommInitRank");
    if (!agrees(m, ranks) || is_duplicate(m, ranks)) {
        munmap(m, sizeof *m);
        return ncclInvalidUsage;
    }
    struct ncclComm *c = malloc(sizeof *c);
    if (!c)
        return ncclSystemError;
    *c = (struct ncclComm){.meeting = m, .rank = rank, .ranks = ranks};
    fake_taken("ncclComm", c);
    *comm = c;
    return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm)
{
    if (fake_call(__func__))
        return ncclSystemError;
    if (!comm)
        return ncclSuccess;
    if (!fake_given_back("ncclComm", comm))
        return ncclInvalidArgument;
    if (comm->capture && fake_any_taken("graphExec"))
        fake_misuse("ncclCommDestroy: it would wait for ever for a graph that holds the communicator");
    munmap(comm->meeting, sizeof *comm->meeting);
    free(comm);
    return ncclSuccess;
}

/* ---- sums ---- */

struct reduction {
    ncclComm_t comm;
    const float *from;
    float *to;
    size_t count;
    bool captured;
    long call;
};

/* All ranks must be at the same sum. Whether sums of one communicator on two streams wait for each other depends only on the
 * streams here. */
static void check_alike(const struct ncclComm *c)
{
    const struct meeting *m = c->meeting;
    for (int i = 0; i < c->ranks; i++) {
        if (m->member[i].captured != m->member[c->rank].captured)
            fake_misuse("ncclAllReduce: the sum of rank %d is of a graph, that of rank %d is not",
                        m->member[i].captured ? i : c->rank, m->member[i].captured ? c->rank : i);
        if (m->member[i].call != m->member[c->rank].call)
            fake_misuse("ncclAllReduce: rank %d is at call %ld, rank %d at call %ld", c->rank, m->member[c->rank].call, i,
                        m->member[i].call);
        if (m->member[i].count != m->member[c->rank].count)
            fake_misuse("ncclAllReduce: rank %d sums %zu floats, rank %d %zu", c->rank, m->member[c->rank].count, i,
                        m->member[i].count);
    }
}

static void sum_chunk(const struct ncclComm *c, const float *from, float *to, size_t count)
{
    struct meeting *m = c->meeting;
    memcpy(m->values[c->rank], from, count * sizeof *from);
    meet(m, c->ranks, "ncclAllReduce");
    check_alike(c);
    for (size_t i = 0; i < count; i++) {
        float sum = m->values[0][i];
        for (int r = 1; r < c->ranks; r++)
            sum += m->values[r][i];
        to[i] = sum;
    }
    meet(m, c->ranks, "ncclAllReduce");
}

static void check_memory(const struct reduction *r)
{
    if (!fake_is_device(r->from, r->count * sizeof *r->from) || !fake_is_device(r->to, r->count * sizeof *r->to))
        fake_misuse("ncclAllReduce: that is not %zu floats of device memory", r->count);
}

static void run_reduction(const void *state)
{
    const struct reduction *r = state;
    if (!fake_is_taken("ncclComm", r->comm))
        fake_misuse("ncclAllReduce: its communicator was destroyed before it ran");
    check_memory(r);
    r->comm->meeting->member[r->comm->rank].count = r->count;
    r->comm->meeting->member[r->comm->rank].captured = r->captured;
    r->comm->meeting->member[r->comm->rank].call = r->call;
    for (size_t at = 0; at < r->count; at += CHUNK)
        sum_chunk(r->comm, r->from + at, r->to + at, r->count - at < CHUNK ? r->count - at : CHUNK);
}

/* Counts from the beginning of each capture, since what it records may never be launched. */
static long next_recorded(ncclComm_t comm, unsigned long capture)
{
    if (comm->capture != capture)
        comm->recorded = 0;
    comm->capture = capture;
    return ++comm->recorded;
}

ncclResult_t ncclAllReduce(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream)
{
    if (fake_call(__func__))
        return ncclUnhandledCudaError;
    if (!comm || !fake_is_taken("ncclComm", comm) || !sendbuff || !recvbuff)
        return ncclInvalidArgument;
    if (datatype != ncclFloat || op != ncclSum)
        fake_misuse("ncclAllReduce: only sums of floats are known here");
    unsigned long capture = fake_capture(stream);
    struct reduction r = {comm, sendbuff, recvbuff, count, capture > 0, capture ? next_recorded(comm, capture) : ++comm->calls};
    check_memory(&r);
    if (r.from != r.to && r.from < r.to + count && r.to < r.from + count)
        fake_misuse("ncclAllReduce: the buffers overlap and are not the same");
    return fake_enqueue(stream, __func__, run_reduction, &r, sizeof r) ? ncclUnhandledCudaError : ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result)
{
    switch (result) {
    case ncclSuccess: return "no error";
    case ncclUnhandledCudaError: return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
    case ncclSystemError: return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclInvalidArgument: return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case ncclRemoteError: return "remote process exited or there was a network error";
    case ncclInvalidUsage: return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    default: return "internal error - please report this issue to the NCCL developers";
    }
}
