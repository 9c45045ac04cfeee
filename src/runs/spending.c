#include "spending.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

/* A part of the step that is smaller than this is not worth mending. */
static const double least_share = 0.1;

static const struct {
    const char *name, *meaning, *remedy;
} kinds[SPENDING_KINDS] = {
    [SPENDING_COMPUTING] = {"computing", "forward and backward pass, update",
                            "More or faster hardware: more ranks (--batch-size is per rank), or a GPU; "
                            "'cifar10_mpi bench' shows the time of each layer."},
    [SPENDING_DATA] = {"data", "waits for images", "Give the loader more threads: --loader-threads 2 or more, on free cores."},
    [SPENDING_STRAGGLERS] = {"stragglers", "waits for the slowest rank",
                             "Look at the slowest rank's node: other jobs, a lower clock rate, more ranks than cores, ranks that "
                             "are not bound to cores. All ranks wait for it."},
    [SPENDING_COMMUNICATION] = {"communication", "sum of the gradients over all ranks",
                                "Communicate less often, with a larger --batch-size per rank and fewer ranks, or use a faster "
                                "network; on several nodes also try --bucket-kib."},
    [SPENDING_SAVING] = {"saving", "checkpoints", "Save less often (--checkpoint-secs, --checkpoint-steps), or to a faster disk."},
    [SPENDING_CHECKING] = {"checking", "that all ranks agree", "Check less often: --parity-steps 1000, or 0 for never."},
    [SPENDING_EVALUATING] = {"evaluating", "on test images", "Evaluate less often: a larger --eval-steps."},
    [SPENDING_REPORTING] = {"reporting", "log, metrics, summaries",
                            "Report less often: a larger --log-frequency or --summary-frequency."},
    [SPENDING_OTHER] = {"other", "not covered by a phase", "Look at a timeline of some steps: --trace FILE --trace-steps A:B."},
};

const char *spending_name(enum spending_kind kind)
{
    return kinds[kind].name;
}

const char *spending_meaning(enum spending_kind kind)
{
    return kinds[kind].meaning;
}

const char *spending_remedy(enum spending_kind kind)
{
    return kinds[kind].remedy;
}

static double mean_or_zero(const struct history *history, enum metric metric)
{
    double mean = history_mean(history, metric);
    return isnan(mean) ? 0 : mean;
}

static int rank_steps_compare(const void *left, const void *right)
{
    const double *l = left, *r = right;
    return (l[0] > r[0]) - (l[0] < r[0]);
}

/* The rank that was the slowest one in most steps. (rank, steps) of each row are sorted by rank, so that equal ranks meet. */
static void slowest_find(struct spending *s, const struct history *history)
{
    struct error ignored;
    double all = 0, of_rank = 0, most = 0, before = 0, (*found)[2];
    int count = 0;
    s->slowest_rank = -1;
    if (!(found = memory_new((size_t)history->rows + 1, sizeof *found, "the slowest ranks", &ignored)))
        return;
    for (int row = 0; row < history->rows; before = history->values[METRIC_STEP][row++]) {
        found[count][0] = history->values[METRIC_SLOWEST_RANK][row];
        found[count][1] = history->values[METRIC_STEP][row] - before;
        count += found[count][0] >= 0 && found[count][0] <= INT_MAX; /* false for a NaN, too */
    }
    qsort(found, (size_t)count, sizeof *found, rank_steps_compare);
    for (int i = 0; i < count; i++) {
        of_rank = (i && found[i][0] == found[i - 1][0] ? of_rank : 0) + found[i][1];
        all += found[i][1];
        if (of_rank > most) {
            most = of_rank;
            s->slowest_rank = (int)found[i][0];
        }
    }
    s->slowest_share = all > 0 ? most / all : NAN;
    free(found);
}

/* Rank 0's wait for gradients consists of the wait for the slowest rank, if that is not rank 0, and of the sum itself. */
static void wait_split(struct spending *s, double wait, double own_work)
{
    double late = s->slowest_seconds - own_work;
    late = late > 0 ? fmin(late, wait) : 0; /* also if it is unknown */
    s->seconds[SPENDING_STRAGGLERS] = late;
    s->seconds[SPENDING_COMMUNICATION] = wait - late;
}

static void phases_take(struct spending *s, const struct history *history)
{
    double computing = mean_or_zero(history, METRIC_FORWARD) + mean_or_zero(history, METRIC_BACKWARD) +
                       mean_or_zero(history, METRIC_DEVICE) + mean_or_zero(history, METRIC_UPDATE);
    double load = mean_or_zero(history, METRIC_LOAD), covered = 0;
    s->seconds[SPENDING_COMPUTING] = computing;
    s->seconds[SPENDING_DATA] = load;
    wait_split(s, mean_or_zero(history, METRIC_REDUCE), computing + load);
    s->seconds[SPENDING_SAVING] = mean_or_zero(history, METRIC_SAVE);
    s->seconds[SPENDING_CHECKING] = mean_or_zero(history, METRIC_PARITY);
    s->seconds[SPENDING_EVALUATING] = mean_or_zero(history, METRIC_EVALUATE);
    s->seconds[SPENDING_REPORTING] = mean_or_zero(history, METRIC_REPORT);
    for (int i = 0; i < SPENDING_OTHER; i++)
        covered += s->seconds[i];
    s->step = fmax(s->step, covered);
    s->seconds[SPENDING_OTHER] = s->step - covered;
}

/* The largest part. */
static enum spending_kind limit_of(const struct spending *s)
{
    enum spending_kind largest = SPENDING_COMPUTING;
    for (int i = SPENDING_COMPUTING; i < SPENDING_KINDS; i++)
        if (s->seconds[i] > s->seconds[largest])
            largest = i;
    return largest;
}

bool spending_matters(const struct spending *s, enum spending_kind kind)
{
    return kind != s->limit && kind != SPENDING_COMPUTING && s->seconds[kind] >= least_share * s->step;
}

void spending_find(struct spending *spending, const struct history *history)
{
    *spending = (struct spending){.step = history_mean(history, METRIC_SECONDS)};
    struct spending *s = spending;
    s->has_phases = isfinite(history_mean(history, METRIC_FORWARD));
    s->on_device = history_mean(history, METRIC_DEVICE) > 0;
    s->slowest_seconds = history_mean(history, METRIC_SLOWEST_SECONDS);
    s->mean_seconds = history_mean(history, METRIC_MEAN_SECONDS);
    slowest_find(s, history);
    if (s->has_phases) {
        phases_take(s, history);
    } else {
        s->seconds[SPENDING_DATA] = mean_or_zero(history, METRIC_DATA_WAIT);
        s->seconds[SPENDING_COMMUNICATION] = mean_or_zero(history, METRIC_REDUCE_WAIT);
        s->seconds[SPENDING_COMPUTING] = fmax(0, s->step - s->seconds[SPENDING_DATA] - s->seconds[SPENDING_COMMUNICATION]);
    }
    s->limit = limit_of(s);
}
