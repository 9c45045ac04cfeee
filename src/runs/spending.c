#include "spending.h"

#include <math.h>

/* A part of the step that is smaller than this does not limit the run: computing does. */
static const double least_share = 0.1;

static const struct {
    const char *name, *meaning, *remedy;
} kinds[SPENDING_KINDS] = {
    [SPENDING_COMPUTING] = {"computing", "forward and backward pass, update",
                            "Only more or faster hardware helps: more ranks (--batch-size is per rank), or a GPU; "
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

/* The rank that was the slowest one in most steps. */
static void slowest_find(struct spending *s, const struct history *history)
{
    double steps = 0, most = 0;
    s->slowest_rank = -1;
    for (int row = 0; row < history->rows; row++) {
        double rank = history->values[METRIC_SLOWEST_RANK][row], of_rank = 0, before = 0;
        if (!isfinite(rank) || rank == s->slowest_rank)
            continue;
        steps = 0;
        for (int other = 0; other < history->rows; other++) {
            double step = history->values[METRIC_STEP][other], found = history->values[METRIC_SLOWEST_RANK][other];
            steps += isfinite(found) ? step - before : 0;
            of_rank += found == rank ? step - before : 0;
            before = step;
        }
        if (of_rank > most) {
            most = of_rank;
            s->slowest_rank = (int)rank;
        }
    }
    s->slowest_share = steps > 0 ? most / steps : NAN;
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

static enum spending_kind limit_of(const struct spending *s)
{
    enum spending_kind largest = SPENDING_DATA;
    for (int i = SPENDING_DATA; i < SPENDING_KINDS; i++)
        if (s->seconds[i] > s->seconds[largest])
            largest = i;
    return s->seconds[largest] >= least_share * s->step ? largest : SPENDING_COMPUTING;
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
