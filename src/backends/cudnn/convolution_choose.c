/* Chooses the fastest engine of each pass. Engines are measured as a step runs them, by replays of a captured graph: launched one
 * by one on an idle stream, short engines would be measured by their submission. Engines that fail, or that compute other values
 * than the rest, are dropped. */
#include "convolution.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

enum { EXECUTIONS = 10, REPLAYS = 3 };

/* Milliseconds. SUBMISSION: what submitting an execution may add to its time. LONG: from here on, a graph of one execution will
 * do. */
#define SUBMISSION 0.1f
#define LONG 0.5f
/* Multiples of the best time. An engine that takes HOPELESS times as long alone, or WORSE times as long in its first replay, is
 * not measured any further. */
#define HOPELESS 4
#define WORSE 1.25f

struct trial {
    struct cudnn_convolution *c;
    const struct convolution_memory *memory;
    enum convolution_pass pass;
    int engine;
    cudaEvent_t events[2];
    bool graphs; /* accept only engines that can be captured, since a step may be */
    bool lost;   /* the device is unusable: an engine wrote out of bounds, or the like */
    float best;  /* milliseconds, so far */
    bool out[ENGINES_MAX]; /* these engines fail or are wrong */
    float (*samples)[SAMPLE]; /* (ENGINES_MAX) */
};

static cudaStream_t trial_stream(const struct trial *t)
{
    return t->c->library->stream;
}

static int run(const struct trial *t, int executions, struct error *why)
{
    for (int i = 0; i < executions; i++)
        if (engine_run(t->c, t->pass, t->engine, why))
            return -1;
    return 0;
}

/* Captures that many executions. *exec is NULL after a failure. The capture always ends; of two failures the first is
 * reported. */
static int graph_make(const struct trial *t, int executions, cudaGraphExec_t *exec, struct error *why)
{
    struct error second;
    *exec = NULL;
    if (CUDA(cudaStreamBeginCapture(trial_stream(t), cudaStreamCaptureModeThreadLocal), why))
        return -1;
    int failed = run(t, executions, why);
    int unended = graph_end(trial_stream(t), failed ? NULL : exec, failed ? &second : why);
    return failed || unended ? -1 : 0;
}

/* Enqueues the executions: by exec, which holds that many, or one by one if it is NULL. */
static int trial_enqueue(const struct trial *t, cudaGraphExec_t exec, int executions, struct error *why)
{
    return exec ? CUDA(cudaGraphLaunch(exec, trial_stream(t)), why) : run(t, executions, why);
}

/* Milliseconds per execution. The first run warms up, and the measured one is submitted meanwhile. */
static int time_once(const struct trial *t, cudaGraphExec_t exec, int executions, float *milliseconds, struct error *why)
{
    if (trial_enqueue(t, exec, executions, why) || CUDA(cudaEventRecord(t->events[0], trial_stream(t)), why) ||
        trial_enqueue(t, exec, executions, why) || CUDA(cudaEventRecord(t->events[1], trial_stream(t)), why) ||
        CUDA(cudaEventSynchronize(t->events[1]), why) ||
        CUDA(cudaEventElapsedTime(milliseconds, t->events[0], t->events[1]), why))
        return -1;
    *milliseconds /= (float)executions;
    return 0;
}

/* The shortest of some replays. */
static int time_replays(const struct trial *t, cudaGraphExec_t exec, int executions, float *least, struct error *why)
{
    float milliseconds;
    *least = FLT_MAX;
    for (int i = 0; i < REPLAYS && (i == 0 || *least < WORSE * t->best); i++) {
        if (time_once(t, exec, executions, &milliseconds, why))
            return -1;
        if (milliseconds < *least)
            *least = milliseconds;
    }
    return 0;
}

/* The engine first runs alone, which loads its kernels: a capture may not allow that. */
static int engine_time(const struct trial *t, float *milliseconds, struct error *why)
{
    cudaGraphExec_t exec = NULL;
    if (time_once(t, NULL, 1, milliseconds, why))
        return -1;
    if (*milliseconds > HOPELESS * t->best + SUBMISSION)
        return 0;
    int executions = *milliseconds < LONG ? EXECUTIONS : 1;
    int failed = (t->graphs && graph_make(t, executions, &exec, why)) ||
                 time_replays(t, exec, executions, milliseconds, why);
    graph_free(&exec);
    return failed ? -1 : 0;
}

/* Fails unless the engine runs and, if need be, can be captured; measures nothing. */
static int engine_works(const struct trial *t, struct error *why)
{
    cudaGraphExec_t exec = NULL;
    int failed = run(t, 1, why) || CUDA(cudaStreamSynchronize(trial_stream(t)), why) ||
                 (t->graphs && graph_make(t, 1, &exec, why));
    graph_free(&exec);
    return failed ? -1 : 0;
}

/* Counts a failed engine and clears its error, which a later call would report otherwise. `why` keeps the first reason, or that
 * of the device's loss. */
static void engine_drop(struct trial *t, struct error *reason, struct error *why)
{
    cudaGetLastError();
    t->c->counts[t->pass].failed++;
    error_in(reason, "%s", t->c->engines[t->pass][t->engine].name);
    t->lost = cudaDeviceSynchronize() != cudaSuccess;
    if (!*why->text || t->lost)
        *why = *reason;
}

/* The engine that most others agree with; in a tie, the generic one or else the first. The same engine with other knobs does not
 * count. */
static int reference_of(const struct trial *t)
{
    const struct cudnn_convolution *c = t->c;
    const struct engine *engines = c->engines[t->pass];
    int count = c->engine_count[t->pass], reference = 0, most = -1;
    for (int i = 0; i < count; i++) {
        int votes = 0;
        for (int j = 0; j < count; j++)
            votes += !t->out[i] && !t->out[j] && engines[i].number != engines[j].number &&
                     samples_agree(c, t->samples[j], t->samples[i]);
        if (!t->out[i] && (votes > most || (votes == most && engines[i].number == GENERIC))) {
            reference = i;
            most = votes;
        }
    }
    return reference;
}

static void wrong_drop(struct trial *t, struct error *why)
{
    struct cudnn_convolution *c = t->c;
    int reference = reference_of(t);
    for (int i = 0; i < c->engine_count[t->pass]; i++) {
        if (t->out[i] || samples_agree(c, t->samples[i], t->samples[reference]))
            continue;
        t->out[i] = true;
        c->counts[t->pass].wrong++;
        if (!*why->text)
            error_set(why, "%s: its values are wrong", c->engines[t->pass][i].name);
    }
}

/* Runs each engine once, and drops those that fail or compute other values than the rest. */
static void engines_check(struct trial *t, struct error *why)
{
    struct cudnn_convolution *c = t->c;
    struct error reason;
    memset(t->out, 0, sizeof t->out);
    memset(t->samples, 0, ENGINES_MAX * sizeof *t->samples);
    c->counts[t->pass].failed = c->counts[t->pass].wrong = 0;
    for (t->engine = 0; t->engine < c->engine_count[t->pass] && !t->lost; t->engine++)
        if (engine_sample(c, t->pass, t->engine, t->memory, t->samples[t->engine], &reason)) {
            t->out[t->engine] = true;
            engine_drop(t, &reason, why);
        }
    if (!t->lost)
        wrong_drop(t, why);
}

/* Tries all engines; with `deterministic` only up to the first that works, since timings differ between runs, and another choice
 * would give other bits. */
static int engines_try(struct trial *t, struct error *why)
{
    struct cudnn_convolution *c = t->c;
    bool deterministic = c->library->deterministic, found = false;
    struct error reason;
    t->best = FLT_MAX;
    for (t->engine = 0; t->engine < c->engine_count[t->pass] && !t->lost && !(deterministic && found); t->engine++) {
        float milliseconds = 0;
        if (t->out[t->engine])
            continue;
        if (deterministic ? engine_works(t, &reason) : engine_time(t, &milliseconds, &reason)) {
            engine_drop(t, &reason, why);
        } else if (!found || milliseconds < t->best) {
            found = true;
            t->best = c->milliseconds[t->pass] = milliseconds;
            c->chosen[t->pass] = t->engine;
        }
    }
    return found && !t->lost ? 0 : -1;
}

/* If no engine can be captured, one that merely runs will do, as long as no step is captured. */
static int pass_choose(struct trial *t, struct error *why)
{
    why->text[0] = '\0';
    engines_check(t, why);
    int failed = t->c->counts[t->pass].failed;
    t->graphs = true;
    if (!t->lost && !engines_try(t, why))
        return 0;
    if (t->lost) {
        long long number = t->c->engines[t->pass][t->engine - 1].number;
        error_add(why, "; with CIFAR10_CUDNN_WITHOUT=%lld this engine is not tried", number);
        return error_in(why, "%s", pass_texts[t->pass]);
    }
    t->c->counts[t->pass].failed = failed;
    t->graphs = false;
    if (!engines_try(t, why))
        return 0;
    return error_in(why, "%s, none of %d engines works, and %d want more than %.1f MiB of workspace", pass_texts[t->pass],
                    t->c->engine_count[t->pass], t->c->counts[t->pass].too_large,
                    (double)t->c->library->workspace_limit / (1 << 20));
}

static int passes_choose(struct trial *t, struct error *why)
{
    if (numbers_fill(t->c, t->memory, why))
        return -1;
    for (int pass = 0; pass < PASSES; pass++) {
        t->pass = (enum convolution_pass)pass;
        if (t->c->engine_count[pass] > 0 && (pack_follow(t->c, t->pass, t->memory, why) || pass_choose(t, why)))
            return -1;
    }
    return numbers_clear(t->c, t->memory, why);
}

int cudnn_convolution_choose(struct cudnn_convolution *c, const struct convolution_memory *memory, struct error *why)
{
    struct trial t = {.c = c, .memory = memory};
    int failed = !(t.samples = memory_new(ENGINES_MAX, sizeof *t.samples, "samples of engines' outputs", why)) ||
                 CUDA(cudaEventCreateWithFlags(&t.events[0], cudaEventDefault), why) ||
                 CUDA(cudaEventCreateWithFlags(&t.events[1], cudaEventDefault), why) || passes_choose(&t, why);
    for (int i = 0; i < 2; i++)
        if (t.events[i] && cudaEventDestroy(t.events[i]) != cudaSuccess && !failed)
            failed = error_set(why, "an event cannot be given back");
    free(t.samples);
    return failed ? -1 : 0;
}
