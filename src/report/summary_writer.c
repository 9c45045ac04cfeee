/* The thread that writes summaries and the run's own evaluations. It holds the mutex only to read or change its counts and short
 * copies, so the owner never waits for the disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "summary_event.h"
#include "thread.h"

enum { END_SECONDS = 3 /* how long the end of a run waits for the thread at most */, EVALUATIONS_MAX = 16 /* in the queue */ };

struct summary_state {
    struct net net; /* a copy: a thread that is stuck outlives the run */
    int images;
    struct summary slots[SUMMARIES_MAX]; /* summary n is in slot n % SUMMARIES_MAX */
    char above[4096]; /* DIRECTORY/events */
    int64_t first_step; /* as in the request */
    struct event_file file;
    struct event_file evaluations; /* in DIRECTORY/events/eval, opened for the first one */
    struct event event;
    struct summary_averages averages;
    pthread_t thread;
    pthread_mutex_t lock; /* protects the members below */
    pthread_cond_t changed;
    uint64_t given, done;
    uint64_t evaluations_given, evaluations_done;
    struct evaluated evaluated[EVALUATIONS_MAX]; /* evaluation n is at n % EVALUATIONS_MAX */
    struct summary_count count;
    double seconds;
    bool ending, completed, ended;
    bool abandoned; /* the run no longer waits for the thread, which then frees this struct itself */
    struct error failure; /* of the first summary that could not be written */
    bool drop_reported, failure_reported;
};

/* ---- memory ---- */

static int floats_allocate(float **floats, size_t count, struct error *why)
{
    *floats = memory_new(count, sizeof **floats, "a summary", why);
    return *floats ? 0 : -1;
}

static int slot_allocate(struct summary *slot, const struct net *net, const struct summary_request *request, struct error *why)
{
    size_t images = (size_t)request->images;
    if (floats_allocate(&slot->before, net->parameters, why) || floats_allocate(&slot->after, net->parameters, why) ||
        floats_allocate(&slot->gradients, net->gradients, why) ||
        floats_allocate(&slot->images, images * shape_size(net->input), why))
        return -1;
    if (!request->activations)
        return 0;
    slot->activations = memory_new((size_t)net->layer_count, sizeof *slot->activations, "a summary", why);
    for (int i = 0; slot->activations && i < net->layer_count; i++)
        if (floats_allocate(&slot->activations[i], images * shape_size(net->layers[i].out), why))
            return -1;
    return slot->activations ? 0 : -1;
}

static void slot_release(struct summary *slot, const struct net *net)
{
    for (int i = 0; slot->activations && i < net->layer_count; i++)
        free(slot->activations[i]);
    free(slot->activations);
    free(slot->before);
    free(slot->after);
    free(slot->gradients);
    free(slot->images);
}

static void summary_state_free(struct summary_state *state)
{
    struct error ignored;
    for (int i = 0; i < SUMMARIES_MAX; i++)
        slot_release(&state->slots[i], &state->net);
    event_file_close(&state->file, &ignored);
    event_file_close(&state->evaluations, &ignored);
    event_clear(&state->event);
    free(state->averages.decay);
    net_free(&state->net);
    pthread_cond_destroy(&state->changed);
    pthread_mutex_destroy(&state->lock);
    free(state);
}

/* ---- the thread ---- */

static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Writes the event to its own file in the directory above those of the summaries, where TensorBoard looks for hyperparameters. */
static int write_alone(struct summary_state *state, struct error *why)
{
    struct event_file file;
    struct error second;
    if (event_file_open(&file, state->above, 0, why))
        return -1;
    int status = event_file_append(&file, &state->event, why);
    return event_file_close(&file, status ? &second : why) || status ? -1 : 0;
}

/* Needs the lock. */
static void count_outcome(struct summary_state *state, int status, const struct error *why)
{
    if (status && state->count.failed++ == 0)
        state->failure = *why;
    state->count.written += !status;
}

/* In a run that continues, TensorBoard ignores what earlier files hold of the steps that are repeated. */
static int append_evaluation(struct summary_state *state, int64_t step, struct error *why)
{
    char directory[sizeof state->above + 8];
    int64_t first_step = step < state->first_step ? step : state->first_step;
    snprintf(directory, sizeof directory, "%s/eval", state->above);
    if (state->evaluations.descriptor < 0 && event_file_open(&state->evaluations, directory, first_step, why))
        return -1;
    return event_file_append(&state->evaluations, &state->event, why);
}

/* Called and returns with the lock held. */
static void write_evaluated(struct summary_state *state)
{
    struct evaluated evaluated = state->evaluated[state->evaluations_done % EVALUATIONS_MAX];
    struct error why;
    pthread_mutex_unlock(&state->lock);
    evaluated_event(&state->event, &evaluated);
    int status = append_evaluation(state, state->event.step, &why);
    pthread_mutex_lock(&state->lock);
    count_outcome(state, status, &why);
    state->evaluations_done++;
}

/* Called and returns with the lock held. */
static void write_next(struct summary_state *state)
{
    struct summary *summary = &state->slots[state->done % SUMMARIES_MAX];
    struct error why;
    pthread_mutex_unlock(&state->lock);
    double before = thread_seconds();
    summary_event(&state->event, &state->net, summary, state->images, &state->averages);
    int status = event_file_append(&state->file, &state->event, &why);
    pthread_mutex_lock(&state->lock);
    if (summary->whole)
        state->seconds = thread_seconds() - before;
    count_outcome(state, status, &why);
    state->done++;
}

static void write_end(struct summary_state *state)
{
    struct error why = {""}, second;
    event_reset(&state->event, 0);
    event_add_run_end(&state->event, true);
    if (state->completed)
        write_alone(state, &why); /* without it TensorBoard does not know the run's status; no more is lost */
    int status = event_file_close(&state->file, &why), other = event_file_close(&state->evaluations, &second);
    pthread_mutex_lock(&state->lock);
    state->count.failed += (status != 0) + (other != 0);
    pthread_mutex_unlock(&state->lock);
}

/* Needs the lock. */
static uint64_t count_waiting(const struct summary_state *state)
{
    return state->given - state->done + state->evaluations_given - state->evaluations_done;
}

static void *summary_work(void *of)
{
    struct summary_state *state = of;
    thread_step_back();
    pthread_mutex_lock(&state->lock);
    while (!state->ending || count_waiting(state) > 0) {
        if (state->evaluations_done < state->evaluations_given)
            write_evaluated(state);
        else if (state->done < state->given)
            write_next(state);
        else
            pthread_cond_wait(&state->changed, &state->lock);
    }
    pthread_mutex_unlock(&state->lock);
    write_end(state);
    pthread_mutex_lock(&state->lock);
    state->ended = true;
    bool abandoned = state->abandoned;
    pthread_cond_broadcast(&state->changed);
    pthread_mutex_unlock(&state->lock);
    if (abandoned)
        summary_state_free(state);
    return NULL;
}

/* ---- opening ---- */

/* Adds what does not change during the run. */
static int write_start(struct summary_state *state, const struct summary_request *request, struct error *why)
{
    static const struct hparam_metric metrics[] = {{"train", "total_loss"}, {"train", "cross_entropy"}, {"train", "precision"},
                                                   {"train", "examples_per_second"}, {"eval", "Precision @ 1"}};
    event_reset(&state->event, 0);
    event_add_run(&state->event, request->hparams, request->hparam_count, metrics, sizeof metrics / sizeof *metrics);
    if (write_alone(state, why))
        return -1;
    event_reset(&state->event, request->first_step ? request->first_step - 1 : 0);
    event_add_lines(&state->event, "command", request->command);
    event_add_lines(&state->event, "start_block", request->start_block);
    return event_file_append(&state->file, &state->event, why) ||
           event_file_append_graph(&state->file, request->graph, why) ? -1 : 0;
}

static int state_fill(struct summary_state *state, const struct summary_request *request, struct error *why)
{
    const struct net *net = request->graph->net;
    char directory[sizeof state->above + 8];
    if (snprintf(state->above, sizeof state->above, "%s/events", request->directory) >= (int)sizeof state->above)
        return error_set(why, "the name of the directory %.60s... is too long", request->directory);
    if (net_init(&state->net, net->model, net->input.channels, net->classes, why))
        return -1;
    snprintf(directory, sizeof directory, "%s/train", state->above);
    state->images = request->images;
    state->first_step = request->first_step;
    state->averages.decay = memory_new((size_t)net->tensor_count, sizeof *state->averages.decay, "a summary", why);
    if (!state->averages.decay)
        return -1;
    for (int i = 0; i < SUMMARIES_MAX; i++)
        if (slot_allocate(&state->slots[i], &state->net, request, why))
            return -1;
    return event_file_open(&state->file, directory, request->first_step, why) || write_start(state, request, why) ? -1 : 0;
}

int summary_writer_open(struct summary_writer *writer, const struct summary_request *request, struct error *why)
{
    writer->state = NULL;
    struct summary_state *state = memory_new(1, sizeof *state, "the summaries", why);
    pthread_condattr_t monotonic;
    if (!state)
        return -1;
    state->file.descriptor = state->evaluations.descriptor = -1;
    pthread_mutex_init(&state->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&state->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int status = state_fill(state, request, why), code = status ? 0 : thread_start(&state->thread, summary_work, state);
    if (code)
        status = error_set(why, "a thread that writes summaries: %s", strerror(code));
    if (status)
        summary_state_free(state);
    else
        writer->state = state;
    return status;
}

/* ---- the owner's side ---- */

struct summary *summary_writer_take(struct summary_writer *writer)
{
    struct summary_state *state = writer->state;
    if (!state)
        return NULL;
    pthread_mutex_lock(&state->lock);
    bool is_free = state->given - state->done < SUMMARIES_MAX;
    struct summary *slot = &state->slots[state->given % SUMMARIES_MAX];
    pthread_mutex_unlock(&state->lock);
    return is_free ? slot : NULL;
}

void summary_writer_give(struct summary_writer *writer)
{
    pthread_mutex_lock(&writer->state->lock);
    writer->state->given++;
    pthread_cond_broadcast(&writer->state->changed);
    pthread_mutex_unlock(&writer->state->lock);
}

void summary_writer_drop(struct summary_writer *writer)
{
    pthread_mutex_lock(&writer->state->lock);
    writer->state->count.dropped++;
    pthread_mutex_unlock(&writer->state->lock);
}

void summary_writer_evaluated(struct summary_writer *writer, const struct evaluated *evaluated)
{
    struct summary_state *state = writer->state;
    if (!state)
        return;
    pthread_mutex_lock(&state->lock);
    if (state->evaluations_given - state->evaluations_done < EVALUATIONS_MAX)
        state->evaluated[state->evaluations_given++ % EVALUATIONS_MAX] = *evaluated;
    else
        state->count.dropped++;
    pthread_cond_broadcast(&state->changed);
    pthread_mutex_unlock(&state->lock);
}

double summary_writer_seconds(struct summary_writer *writer)
{
    pthread_mutex_lock(&writer->state->lock);
    double seconds = writer->state->seconds;
    pthread_mutex_unlock(&writer->state->lock);
    return seconds;
}

/* Needs the lock. */
static bool find_news(struct summary_state *state, struct error *news)
{
    if (state->count.failed && !state->failure_reported) {
        state->failure_reported = true;
        *news = state->failure;
        return true;
    }
    if (!state->count.dropped || state->drop_reported)
        return false;
    state->drop_reported = true;
    error_set(news, "a summary was dropped: the thread that writes them to %s is busy", state->file.name);
    return true;
}

bool summary_writer_news(struct summary_writer *writer, struct error *news)
{
    struct summary_state *state = writer->state;
    if (!state)
        return false;
    pthread_mutex_lock(&state->lock);
    bool found = find_news(state, news);
    pthread_mutex_unlock(&state->lock);
    return found;
}

/* Waits until the thread has ended; false: it took too long. */
static bool wait_for_end(struct summary_state *state)
{
    struct timespec until;
    int code = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += END_SECONDS;
    while (!state->ended && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&state->changed, &state->lock, &until);
    return state->ended;
}

void summary_writer_close(struct summary_writer *writer, bool completed, struct summary_count *count)
{
    struct summary_state *state = writer->state;
    *count = (struct summary_count){0};
    writer->state = NULL;
    if (!state)
        return;
    pthread_mutex_lock(&state->lock);
    state->ending = true;
    state->completed = completed;
    pthread_cond_broadcast(&state->changed);
    bool ended = wait_for_end(state);
    *count = state->count;
    count->dropped += count_waiting(state);
    state->abandoned = !ended;
    pthread_mutex_unlock(&state->lock);
    if (!ended) { /* it is stuck in a write */
        pthread_detach(state->thread);
        return;
    }
    pthread_join(state->thread, NULL);
    summary_state_free(state);
}
