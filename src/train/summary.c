/* Rank 0: what a summary for TensorBoard shows of a step. The tower that trains is only read, between blocks of steps: its
 * parameters before and after the step's update, and the gradients. The activations are those of a second, small tower, the
 * observer, which computes the batch's first images forward. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "recipe.h"
#include "run.h"

enum { OBSERVED = 8 /* images, at most */, COST_SHARE = 100 /* summaries may take 1 / COST_SHARE of the time */ };
enum { DEVICE_TEXT = 128, HPARAMS_MAX = 24, COMMAND_TEXT = 16384 };

/* ---- opening ---- */

/* Without an observer, summaries have no activations. */
static void open_observer(struct run *run, int images)
{
    struct run_summary *s = &run->summary;
    struct error why;
    bool bf16 = run->options->precision == PRECISION_BF16; /* separate outputs are float */
    struct tower_request request = {.backend = run->backend, .net = &run->net, .batch = images, .separate = true,
                                    .convolutions = run->ways.choices,
                                    .precision = bf16 ? PRECISION_FP32 : run->options->precision,
                                    .workspace = (size_t)run->options->workspace_mib << 20,
                                    .deterministic = run->options->deterministic || run->tree};
    s->observes = !tower_init(&s->observer, &request, &why);
    if (s->observes)
        return;
    report_line(&run->report, "summaries show no activations: %s", why.text);
    tower_free(&s->observer);
}

static int open_samples(struct run *run, int images, struct error *why)
{
    struct run_summary *s = &run->summary;
    s->samples = (struct loader_request){.dataset = &run->dataset,
                                         .augmentations = &recipe_find(run->model->name)->augmentations,
                                         .seed = run->state.seed,
                                         .crop_height = run->model->height,
                                         .crop_width = run->model->width,
                                         .batch = images};
    s->labels = memory_new((size_t)images, sizeof *s->labels, "a summary's labels", why);
    return s->labels ? shuffle_init(&s->shuffle, run->state.seed, (uint32_t)run->dataset.count, why) : -1;
}

/* The command line, from the options that are not at their defaults. Returns whether --summary-frequency is at its. */
static bool write_command(const struct options *options, char *text, size_t size)
{
    static const char frequency[] = "--summary-frequency ";
    char word[OPTION_WORD];
    bool adapts = true;
    size_t length = (size_t)snprintf(text, size, "cifar10_mpi train");
    for (int i = 0; options_word(options, i, word); i++) {
        adapts = adapts && strncmp(word, frequency, sizeof frequency - 1) != 0;
        if (*word && length < size)
            length += (size_t)snprintf(text + length, size - length, " %s", word);
    }
    return adapts;
}

/* Hyperparameters: what a run's result depends on. Values that look like numbers are stored as numbers. */
struct summary_hparams {
    struct hparam list[HPARAMS_MAX];
    char values[HPARAMS_MAX][64];
    int count;
};

static void add_hparam(struct summary_hparams *all, const char *name, const char *text)
{
    char *end, *value = all->values[all->count];
    snprintf(value, sizeof all->values[0], "%.63s", text);
    double number = strtod(value, &end);
    bool is_number = *value && !*end;
    all->list[all->count++] = (struct hparam){.name = name, .kind = is_number ? HPARAM_NUMBER : HPARAM_TEXT,
                                              .number = is_number ? number : 0, .text = value};
}

static void list_hparams(const struct run *run, struct summary_hparams *all)
{
    static const char *const names[] = {"model", "tower", "precision", "batch-size", "slices", "seed", "learning-rate",
                                        "lr-decay-factor", "lr-decay-epochs", "ema-decay", "max-steps", "epochs"};
    char value[OPTION_TEXT];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcmp(names[i], "epochs") && run->options->epochs <= 0)
            continue; /* max-steps alone gives the length */
        options_value(run->options, names[i], value, sizeof value);
        add_hparam(all, names[i], strcmp(names[i], "tower") ? value : run->backend->name);
    }
    snprintf(value, sizeof value, "%d", run->world->size);
    add_hparam(all, "ranks", value);
    snprintf(value, sizeof value, "%d", run->global_batch);
    add_hparam(all, "global-batch", value);
}

static int open_writer(struct run *run, int images, const char *const *devices, struct error *why)
{
    struct run_summary *s = &run->summary;
    struct summary_hparams hparams = {.count = 0};
    char command[COMMAND_TEXT];
    struct event_graph graph = {.net = &run->net, .ranks = run->world->size, .images = run->global_batch / run->world->size,
                                .devices = devices};
    s->adapts = write_command(run->options, command, sizeof command);
    list_hparams(run, &hparams);
    struct summary_request request = {.directory = run->options->train_dir,
                                      .first_step = (int64_t)run->state.step + 1,
                                      .images = images,
                                      .activations = s->observes,
                                      .graph = &graph,
                                      .command = command,
                                      .start_block = run->start_block ? run->start_block : "",
                                      .hparams = hparams.list,
                                      .hparam_count = hparams.count};
    return summary_writer_open(&s->writer, &request, why);
}

/* devices: DEVICE_TEXT bytes per rank. */
static int open_all(struct run *run, const char *devices, struct error *why)
{
    int batch = run->tower.plan.batch, images = batch < OBSERVED ? batch : OBSERVED, ranks = run->world->size;
    const char **names = memory_new((size_t)ranks, sizeof *names, "the ranks' names", why);
    for (int i = 0; names && i < ranks; i++)
        names[i] = devices + (size_t)i * DEVICE_TEXT;
    if (!names || open_samples(run, images, why)) {
        free(names);
        return -1;
    }
    open_observer(run, images);
    int status = open_writer(run, images, names, why);
    free(names);
    return status;
}

int run_summary_open(struct run *run, struct error *why)
{
    char mine[DEVICE_TEXT], *all = NULL;
    struct error reason;
    if (!run->options->summary_frequency || !events_library() || run->state.step >= run->last_step)
        return 0;
    snprintf(mine, sizeof mine, "%s/%s", run->world->host, run->backend->name);
    if (run->world->rank == 0)
        all = memory_new((size_t)run->world->size, DEVICE_TEXT, "the ranks' names", why);
    int status = world_agree(run->world, run->world->rank == 0 && !all ? -1 : 0, why);
    if (!status && world_gather(run->world, mine, sizeof mine, all, why))
        world_abort(run->world, why->text);
    if (!status && run->world->rank == 0 && open_all(run, all, &reason))
        report_line(&run->report, "no summaries: %s", reason.text);
    free(all);
    return status;
}

void run_summary_close(struct run *run)
{
    struct run_summary *s = &run->summary;
    struct summary_count ignored;
    summary_writer_close(&s->writer, false, &ignored);
    tower_free(&s->observer);
    shuffle_free(&s->shuffle);
    free(s->labels);
    free(run->start_block);
}

/* ---- which steps ---- */

/* Whether enough time has passed since the last summary; only the default frequency is reduced. */
static bool is_affordable(struct run_summary *s)
{
    double cost = s->seconds + summary_writer_seconds(&s->writer);
    return !s->adapts || clock_seconds() - s->ended >= COST_SHARE * cost;
}

void run_summary_choose(struct run *run)
{
    struct run_summary *s = &run->summary;
    uint64_t next = run->given + 1;
    if (s->writer.state && is_multiple(next, run->options->summary_frequency) && is_affordable(s))
        s->wanted = next;
}

bool run_summary_reads(const struct run *run)
{
    const struct run_summary *s = &run->summary;
    return s->writer.state && (s->wanted == run->given + 1 || (s->begun && s->begun == run->given));
}

/* ---- a summary ---- */

int run_summary_begin(struct run *run, struct error *why)
{
    struct run_summary *s = &run->summary;
    if (!s->writer.state || s->wanted != run->state.step + 1)
        return 0;
    struct summary *summary = summary_writer_take(&s->writer);
    double before = clock_seconds();
    if (!summary)
        return 0;
    phase_enter(&run->phases, PHASE_REPORT, PHASE_WHOLE);
    s->begun = s->wanted;
    int status = tower_get_parameters(&run->tower, summary->before, why);
    s->seconds = clock_seconds() - before;
    return status;
}

/* The images of the step's batch, and their activations in the observer. */
static int observe(struct run *run, struct summary *summary, struct error *why)
{
    struct run_summary *s = &run->summary;
    struct batch batch;
    uint64_t first = run->state.position - (uint64_t)run->global_batch;
    loader_fill(&s->samples, &s->shuffle, first, &batch, summary->images, s->labels);
    if (!s->observes)
        return 0;
    if (tower_set_parameters(&s->observer, summary->after, why) ||
        tower_forward(&s->observer, summary->images, batch.count, NULL, why))
        return -1;
    for (int i = 0; i < run->net.layer_count; i++)
        if (run->backend->memory_download(summary->activations[i], s->observer.plan.activations[i],
                                          (size_t)batch.count * shape_size(run->net.layers[i].out), why))
            return -1;
    return 0;
}

static int fill_whole(struct run *run, struct summary *summary, const struct step_result *result, struct error *why)
{
    struct run_summary *s = &run->summary;
    double before = clock_seconds();
    summary->samples = (double)result->count;
    if (tower_get_parameters(&run->tower, summary->after, why) || tower_get_gradients(&run->tower, summary->gradients, why) ||
        observe(run, summary, why))
        return -1;
    s->ended = clock_seconds();
    s->seconds += s->ended - before;
    return 0;
}

static void tell_news(struct run *run)
{
    struct error news;
    if (summary_writer_news(&run->summary.writer, &news))
        report_line(&run->report, "%s; training goes on", news.text);
}

int run_summary_end(struct run *run, const struct interval *interval, const struct step_result *result, struct error *why)
{
    struct run_summary *s = &run->summary;
    if (!s->writer.state || !is_multiple(interval->step, run->options->summary_frequency))
        return 0;
    struct summary *summary = summary_writer_take(&s->writer);
    bool whole = summary && s->begun == interval->step;
    if (!whole && (!summary || s->wanted == interval->step))
        summary_writer_drop(&s->writer);
    if (summary) {
        summary->interval = *interval;
        summary->cross_entropy = result->loss / result->count;
        summary->average_cross_entropy = run->state.loss_average;
        summary->whole = whole;
        if (whole && fill_whole(run, summary, result, why))
            return -1;
        summary_writer_give(&s->writer);
    }
    tell_news(run);
    return 0;
}

void run_summary_evaluated(struct run *run, const struct evaluated *evaluated)
{
    summary_writer_evaluated(&run->summary.writer, evaluated);
    tell_news(run);
}

void run_summary_finish(struct run *run, bool completed)
{
    struct summary_count count;
    summary_writer_close(&run->summary.writer, completed, &count);
    if (count.dropped + count.failed > 0)
        report_line(&run->report, "summaries: %" PRIu64 " written, %" PRIu64 " dropped, %" PRIu64 " failed", count.written,
                    count.dropped, count.failed);
}
