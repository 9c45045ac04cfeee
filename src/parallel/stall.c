/* The stall watch. Its only MPI call is the abort, and it does not use stdio, whose lock the stuck thread may hold. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "mpi_check.h"
#include "phases.h"
#include "thread.h"

enum { SLOW = 10 };        /* factor by which a slow step's phases may take longer */
enum { LAST_WORDS = 2 };   /* seconds for other nodes to print their sentences */
enum { LAST_RESORT = 10 }; /* seconds after which a rank ends itself if the job has not been ended */
enum { PHASE_BITS = 8 };   /* bits of a slot's `phases` that hold the current kind */
static const double TICK = 0.25; /* seconds between looks */
/* Seconds until a dead rank is named: before Open MPI 4's mpirun ends the others, perhaps without a message. */
static const double DEAD = 0.5;
/* Seconds for the launcher to end the job itself, with the dead rank's exit code. */
static const double LAUNCHER = 3;

/* What a rank publishes to its node. Each rank writes only to its own slot, which has its own cache lines. */
struct stall_slot {
    _Alignas(64) _Atomic uint64_t phases; /* number of phases begun; in the lowest bits the current kind */
    _Atomic uint64_t step;
    _Atomic bool slow;
    int rank;
    uint64_t space;       /* its PID namespace, as containers may have their own; 0: unknown */
    _Atomic long process; /* its process number; 0: the watch is closed */
};

/* The memory that the ranks of the node share. */
struct stall_board {
    _Alignas(64) long token; /* used by world_share */
    atomic_flag reported;    /* set once a rank of this node has printed the sentence */
    struct stall_slot slots[];
};

struct stall_state {
    double seconds;
    struct stall_board *board;
    int seats; /* slots on the board */
    struct stall_view *views; /* (seats), filled for the sentence */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool started, ending;
    bool reports; /* this rank has printed the sentence for its node */
};

/* ---- publishing ---- */

void stall_phase(struct stall *stall, enum phase_kind kind)
{
    if (!stall->slot)
        return;
    uint64_t before = atomic_load_explicit(&stall->slot->phases, memory_order_relaxed);
    uint64_t begun = (before >> PHASE_BITS) + 1;
    atomic_store_explicit(&stall->slot->phases, begun << PHASE_BITS | kind, memory_order_relaxed);
}

void stall_step(struct stall *stall, uint64_t step, bool slow)
{
    if (!stall->slot)
        return;
    atomic_store_explicit(&stall->slot->step, step, memory_order_relaxed);
    atomic_store_explicit(&stall->slot->slow, slow, memory_order_relaxed);
}

/* ---- the sentence ---- */

static const char *const doing[PHASE_KINDS] = {
    [PHASE_START] = "setting up",           [PHASE_LOAD] = "waiting for images",
    [PHASE_FORWARD] = "computing",          [PHASE_BACKWARD] = "computing",
    [PHASE_DEVICE] = "computing",           [PHASE_REDUCE] = "in the allreduce",
    [PHASE_UPDATE] = "updating parameters", [PHASE_REPORT] = "writing the log",
    [PHASE_SAVE] = "saving a checkpoint",   [PHASE_PARITY] = "comparing parameters",
    [PHASE_EVALUATE] = "evaluating",        [PHASE_END] = "waiting for the last checkpoint",
};

static const char *run_state_text(char run_state)
{
    switch (run_state) {
    case 'T': case 't': return ", stopped";
    case 'D': return ", in a system call that does not return";
    default: return "";
    }
}

static bool is_dead(const struct stall_view *view)
{
    return view->run_state == 'Z' || view->run_state == 'X' || !view->run_state;
}

/* Whether the rank can only wait for others. */
static bool is_waiting(const struct stall_view *view)
{
    bool runs = !run_state_text(view->run_state)[0];
    return runs && (view->phase == PHASE_REDUCE || view->phase == PHASE_PARITY || view->phase == PHASE_END);
}

/* Names the dead ranks. False: none is dead. */
static bool name_dead(struct error *why, const struct world *world, const struct stall_view *views, int count)
{
    why->text[0] = '\0';
    for (int i = 0; i < count; i++)
        if (is_dead(&views[i]))
            error_add(why, "%srank %d on %s (process %ld) has died while %s, step %" PRIu64, why->text[0] ? "; " : "",
                      views[i].rank, world->host, views[i].process, doing[views[i].phase], views[i].step);
    return why->text[0];
}

void stall_sentence(struct error *why, const struct world *world, const struct stall_view *views, int count, double seconds)
{
    const char *separator = ": ";
    int waiting = 0;
    if (name_dead(why, world, views, count))
        return;
    for (int i = 0; i < count; i++)
        waiting += is_waiting(&views[i]);
    error_set(why, "no step was finished for %.0f s", seconds);
    for (int i = 0; i < count; i++) {
        const struct stall_view *v = &views[i];
        if (is_waiting(v) && waiting < count)
            continue;
        error_add(why, "%srank %d on %s (process %ld%s) is %s, step %" PRIu64, separator, v->rank, world->host, v->process,
                  run_state_text(v->run_state), doing[v->phase], v->step);
        separator = "; ";
    }
    if (waiting == count)
        error_add(why, "; waiting for %s", world->nodes > 1 ? "another node" : "each other, so MPI itself makes no progress");
    else if (waiting > 0)
        error_add(why, "; %d other%s of this node wait%s for that", waiting, waiting > 1 ? "s" : "", waiting > 1 ? "" : "s");
}

/* ---- ending the job ---- */

/* The state letter in /proc/PID/stat. It follows the process's name, which may contain anything, and the last parenthesis. */
static char run_state_of(long process)
{
    char name[64], text[512];
    snprintf(name, sizeof name, "/proc/%ld/stat", process);
    int descriptor = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t length = descriptor < 0 ? 0 : read(descriptor, text, sizeof text - 1);
    if (descriptor >= 0)
        close(descriptor);
    text[length > 0 ? length : 0] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] ? name_end[2] : 0;
}

/* Whether both ranks are in the same PID namespace, so that their process numbers are comparable. */
static bool share_space(const struct stall_slot *one, const struct stall_slot *other)
{
    return one->space && one->space == other->space;
}

static void view_slot(const struct stall_slot *own, const struct stall_slot *slot, struct stall_view *view)
{
    long process = atomic_load(&slot->process);
    *view = (struct stall_view){
        .rank = slot->rank,
        .process = process,
        .run_state = process && share_space(own, slot) ? run_state_of(process) : '?',
        .phase = atomic_load_explicit(&slot->phases, memory_order_relaxed) & ((1u << PHASE_BITS) - 1),
        .step = atomic_load_explicit(&slot->step, memory_order_relaxed),
    };
}

/* Wakes stopped processes: they do not react to the launcher's signals, and the launcher would wait for them. */
static void wake_stopped(const struct stall_view *views, int count)
{
    for (int i = 0; i < count; i++)
        if (views[i].run_state == 'T')
            kill((pid_t)views[i].process, SIGCONT);
}

/* Prints the sentence, unless another rank of the node has done so. */
static void stall_report(const struct stall *stall, double seconds)
{
    struct stall_state *state = stall->state;
    struct error why;
    if (state->reports || atomic_flag_test_and_set(&state->board->reported))
        return;
    state->reports = true;
    for (int i = 0; i < state->seats; i++)
        view_slot(stall->slot, &state->board->slots[i], &state->views[i]);
    stall_sentence(&why, stall->world, state->views, state->seats, fmax(1, seconds));
    dprintf(STDERR_FILENO, "cifar10_mpi: %s\n", why.text);
}

/* The rank that printed the sentence ends the job. If that fails, each rank ends itself. */
static void end_job(const struct stall *stall)
{
    const struct world *world = stall->world;
    struct stall_state *state = stall->state;
    if (!state->reports) {
        sleep(LAST_RESORT);
        _exit(1);
    }
    alarm(LAST_RESORT);
    if (world->nodes > 1)
        sleep(LAST_WORDS);
    wake_stopped(state->views, state->seats);
    world_end_job(world);
}

/* ---- the watch ---- */

static uint64_t process_space(void)
{
    struct stat found;
    return stat("/proc/self/ns/pid", &found) ? 0 : found.st_ino;
}

/* Each rank also checks whether the next rank of its node is alive, as a launcher may notice late: srun takes half a minute
 * (KillWait). */
static bool next_is_dead(const struct stall_state *state, const struct stall_slot *slot)
{
    const struct stall_slot *slots = state->board->slots, *next = slot + 1 < slots + state->seats ? slot + 1 : slots;
    long process = atomic_load(&next->process);
    return process && share_space(slot, next) && kill((pid_t)process, 0) && errno == ESRCH;
}

/* Waits until `time`, and returns false; true, at once, when the watch is closed. */
static bool wait_until(struct stall_state *state, double time)
{
    struct timespec until = {.tv_sec = (time_t)time, .tv_nsec = (long)(1e9 * (time - (double)(time_t)time))};
    pthread_mutex_lock(&state->lock);
    int code = 0;
    while (!state->ending && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&state->ended, &state->lock, &until);
    bool ending = state->ending;
    pthread_mutex_unlock(&state->lock);
    return ending;
}

/* Each tick counts as at most two ticks' time, so that time in which the whole job was stopped does not count. */
static void *watch(void *of)
{
    struct stall *stall = of;
    struct stall_state *state = stall->state;
    struct stall_slot *slot = stall->slot;
    uint64_t seen = 0;
    double still = 0, dead = 0, before = clock_seconds();
    while (!wait_until(state, before + TICK)) {
        double now = clock_seconds(), passed = fmin(now - before, 2 * TICK);
        uint64_t phases = atomic_load_explicit(&slot->phases, memory_order_relaxed);
        bool slow = atomic_load_explicit(&slot->slow, memory_order_relaxed);
        still = phases != seen ? 0 : still + passed;
        dead = next_is_dead(state, slot) ? dead + passed : 0;
        seen = phases;
        before = now;
        bool stalled = still >= (slow ? SLOW : 1) * state->seconds;
        if (stalled || dead >= DEAD)
            stall_report(stall, fmax(still, dead));
        if (stalled || dead >= LAUNCHER)
            end_job(stall);
    }
    return NULL;
}

static int stall_start(struct stall *stall, struct error *why)
{
    struct stall_state *state = stall->state;
    pthread_condattr_t monotonic;
    pthread_mutex_init(&state->lock, NULL); /* neither this nor the attributes can fail in glibc */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&state->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int code = thread_start(&state->thread, watch, stall);
    state->started = !code;
    return code ? error_set(why, "the stall watch's thread: %s", strerror(code)) : 0;
}

/* Takes this rank's slot on the node's board, or on a private board if the node's ranks cannot share one. */
static int take_slot(struct stall *stall, struct error *why)
{
    const struct world *world = stall->world;
    struct stall_state *state = stall->state;
    int seats = stall->memory.shared ? world->node_size : 1;
    if (!stall->memory.shared)
        stall->memory.data = memory_new(1, sizeof(struct stall_board) + sizeof(struct stall_slot), "the stall watch", why);
    state->views = memory_new((size_t)seats, sizeof *state->views, "the stall watch", why);
    if (!stall->memory.data || !state->views)
        return -1;
    state->board = stall->memory.data;
    state->seats = seats;
    stall->slot = &state->board->slots[stall->memory.shared ? world->node_rank : 0];
    stall->slot->rank = world->rank;
    stall->slot->space = process_space();
    atomic_store(&stall->slot->process, getpid());
    return 0;
}

int stall_open(struct stall *stall, const struct world *world, double seconds, struct error *why)
{
    memset(stall, 0, sizeof *stall);
    stall->world = world;
    if (seconds <= 0)
        return 0;
    world_share(world, sizeof(struct stall_board) + (size_t)world->node_size * sizeof(struct stall_slot), &stall->memory);
    stall->state = memory_new(1, sizeof *stall->state, "the stall watch", why);
    if (!stall->state || take_slot(stall, why))
        return -1;
    stall->state->seconds = seconds;
    stall_step(stall, 0, true);
    return stall_start(stall, why);
}

void stall_close(struct stall *stall)
{
    struct stall_state *state = stall->state;
    if (state && state->started) {
        pthread_mutex_lock(&state->lock);
        state->ending = true;
        pthread_cond_signal(&state->ended);
        pthread_mutex_unlock(&state->lock);
        pthread_join(state->thread, NULL);
        pthread_cond_destroy(&state->ended);
        pthread_mutex_destroy(&state->lock);
    }
    if (stall->slot)
        atomic_store(&stall->slot->process, 0);
    if (state)
        free(state->views);
    free(state);
    world_unshare(&stall->memory);
    memset(stall, 0, sizeof *stall);
}
