/* A thread that writes checkpoints. It holds the mutex only to read or change its state, so the owner never waits for the disk. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "finite.h"
#include "store.h"
#include "thread.h"
#include "trace.h"

enum saver_stage { IDLE, WRITING, DONE };

struct saver_state {
    struct saver_request request;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* signals a change of `stage` or `ending` */
    enum saver_stage stage;
    bool started, ending;
    struct saved saved; /* belongs to the thread while WRITING, to the owner once DONE */
};

static bool is_finite(const struct checkpoint *snapshot, size_t count)
{
    bool finite = floats_finite(snapshot->parameters, count);
    for (int i = 0; i < OPTIMIZER_STATES_MAX; i++)
        finite = finite && (!snapshot->states[i] || floats_finite(snapshot->states[i], count));
    return finite;
}

void saver_write(struct saver *saver, struct saved *saved)
{
    const struct saver_request *r = &saver->state->request;
    const struct checkpoint *snapshot = &saver->snapshot;
    double before = clock_seconds();
    *saved = (struct saved){.step = snapshot->step, .status = SAVED_NOT_FINITE};
    if (r->lock && lock_check(r->lock, r->directory, &saved->why))
        saved->status = SAVED_NOT_OURS;
    else if (is_finite(snapshot, r->net->parameters))
        saved->status = checkpoint_save(snapshot, r->net, r->directory, r->provenance, r->provenance_count,
                                        &saved->why);
    if (!saved->status && !checkpoint_prune(r->directory, saved->step, r->keep, &saved->why))
        saved->why.text[0] = '\0';
    saved->seconds = clock_seconds() - before;
    trace_slice(r->trace, TRACE_SAVER, &(struct trace_slice){.category = "checkpoint", .number = (int64_t)snapshot->step,
                                                             .begin = before, .end = before + saved->seconds});
}

static void *saver_work(void *of)
{
    struct saver *saver = of;
    struct saver_state *state = saver->state;
    thread_step_back();
    pthread_mutex_lock(&state->lock);
    while (!state->ending || state->stage == WRITING) {
        if (state->stage != WRITING) {
            pthread_cond_wait(&state->changed, &state->lock);
            continue;
        }
        pthread_mutex_unlock(&state->lock);
        saver_write(saver, &state->saved);
        pthread_mutex_lock(&state->lock);
        state->stage = DONE;
        pthread_cond_broadcast(&state->changed);
    }
    pthread_mutex_unlock(&state->lock);
    return NULL;
}

static int saver_start_thread(struct saver *saver, struct error *why)
{
    int code = thread_start(&saver->state->thread, saver_work, saver);
    saver->state->started = !code;
    return code ? error_set(why, "a thread that writes checkpoints: %s", strerror(code)) : 0;
}

int saver_init(struct saver *saver, const struct saver_request *request, struct error *why)
{
    size_t parameters = request->net->parameters;
    memset(saver, 0, sizeof *saver);
    saver->state = memory_new(1, sizeof *saver->state, "the saver", why);
    if (!saver->state)
        return -1;
    *saver->state = (struct saver_state){
        .request = *request, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    if (!(saver->snapshot.parameters = memory_new(parameters, sizeof(float), "the snapshot", why)) ||
        optimizer_allocate(request->optimizer, true, parameters, saver->snapshot.states, why) ||
        saver_start_thread(saver, why)) {
        saver_free(saver);
        return -1;
    }
    return 0;
}

void saver_free(struct saver *saver)
{
    struct saver_state *state = saver->state;
    if (!state)
        return;
    if (state->started) {
        pthread_mutex_lock(&state->lock);
        state->ending = true;
        pthread_cond_broadcast(&state->changed);
        pthread_mutex_unlock(&state->lock);
        pthread_join(state->thread, NULL);
    }
    pthread_cond_destroy(&state->changed);
    pthread_mutex_destroy(&state->lock);
    free(saver->snapshot.parameters);
    optimizer_free(saver->snapshot.states);
    free(state);
    memset(saver, 0, sizeof *saver);
}

bool saver_busy(const struct saver *saver)
{
    struct saver_state *state = saver->state;
    pthread_mutex_lock(&state->lock);
    bool busy = state->stage != IDLE;
    pthread_mutex_unlock(&state->lock);
    return busy;
}

void saver_start(struct saver *saver)
{
    struct saver_state *state = saver->state;
    pthread_mutex_lock(&state->lock);
    state->stage = WRITING;
    pthread_cond_broadcast(&state->changed);
    pthread_mutex_unlock(&state->lock);
}

bool saver_take(struct saver *saver, bool wait, struct saved *saved)
{
    struct saver_state *state = saver->state;
    pthread_mutex_lock(&state->lock);
    while (wait && state->stage == WRITING)
        pthread_cond_wait(&state->changed, &state->lock);
    bool done = state->stage == DONE;
    if (done) {
        *saved = state->saved;
        state->stage = IDLE;
    }
    pthread_mutex_unlock(&state->lock);
    return done;
}
