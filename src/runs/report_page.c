/* The page about one run. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report_page.h"
#include "runs.h"
#include "sheet.h"
#include "spending.h"
#include "text_file.h"

enum { NO_BAR = -1 };

/* ---- facts ---- */

/* "stopped at step 90: SIGTERM", or the best that is known. */
static void history_state(const struct history *history, char *text, size_t size)
{
    const char *goal = history_setting(history, "last_step");
    double steps = history_steps(history);
    char of[80] = "";
    if (*goal)
        snprintf(of, sizeof of, " of %.64s", goal);
    if (history->running)
        snprintf(text, size, "running, at step %.0f%s", steps, of);
    else if (history->log.is_last && atof(goal) > steps)
        snprintf(text, size, "%s (%.64s steps are planned)", history->log.end, goal);
    else if (history->log.is_last)
        snprintf(text, size, "%s", history->log.end);
    else if (steps > 0)
        snprintf(text, size, "not running; killed or failed after step %.0f%s: its log has no last line", steps, of);
    else
        snprintf(text, size, "no steps have been reported yet");
}

static void add_setup(struct sheet *sheet, const struct history *history)
{
    static const char section[] = "Run";
    const char *ranks = history_setting(history, "ranks"), *nodes = history_setting(history, "nodes"),
               *batch = history_setting(history, "batch-size");
    char state[768];
    history_state(history, state, sizeof state);
    sheet_add(sheet, section, "state", NO_BAR, "%s", state);
    if (!history->setting_count) {
        sheet_add(sheet, section, "options", NO_BAR, "unknown: there is no whole checkpoint");
        return;
    }
    sheet_add(sheet, section, "model", NO_BAR, "%s on %s", history_setting(history, "model"), history_setting(history, "data"));
    sheet_add(sheet, section, "ranks", NO_BAR, "%s on %s node%s, global batch %s = %s ranks x %s images", ranks, nodes,
              strcmp(nodes, "1") ? "s" : "", history_setting(history, "global_batch"), ranks, batch);
    sheet_add(sheet, section, "tower", NO_BAR, "%s (%s)", history_setting(history, "tower_backend"),
              history_setting(history, "tower_library"));
}

static void add_evaluations(struct sheet *sheet, const char *section, const struct history *history)
{
    int count = history->evaluation_count, best = 0;
    const struct history_evaluation *e = history->evaluations;
    if (!count) {
        sheet_add(sheet, section, "evaluation", NO_BAR, "none on all test images yet: cifar10_mpi eval --train-dir %s",
                  history->directory);
        return;
    }
    for (int i = 1; i < count; i++)
        best = e[i].precision > e[best].precision ? i : best;
    sheet_add(sheet, section, "evaluation", NO_BAR, "precision @ 1 = %.3f at step %.0f; best %.3f at step %.0f (%s parameters)",
              e[count - 1].precision, e[count - 1].step, e[best].precision, e[best].step, history->parameters);
}

static void add_result(struct sheet *sheet, const struct history *history)
{
    static const char section[] = "Result";
    char training[32], wall[32];
    if (!history->rows)
        return;
    duration_text(history->elapsed[history->rows - 1], training);
    duration_text(history->log.ended - history->log.began, wall);
    sheet_add(sheet, section, "training images", NO_BAR, "loss %.4g, cross-entropy %.4g, precision %.3f at step %.0f (epoch %.4g)",
              history_last(history, METRIC_TOTAL_LOSS), history_last(history, METRIC_CROSS_ENTROPY),
              history_last(history, METRIC_PRECISION), history_last(history, METRIC_STEP), history_last(history, METRIC_EPOCH));
    add_evaluations(sheet, section, history);
    sheet_add(sheet, section, "learning rate", NO_BAR, "%.4g", history_last(history, METRIC_LEARNING_RATE));
    sheet_add(sheet, section, "rate", NO_BAR, "%.0f examples/sec, mean; %.0f at the end", history_mean(history, METRIC_EXAMPLES),
              history_last(history, METRIC_EXAMPLES));
    sheet_add(sheet, section, "time", NO_BAR, "%s of training; %s from the log's first line to its last, pauses included",
              training, wall);
}

static void add_limit(struct sheet *sheet, const struct spending *s)
{
    static const char section[] = "What limits this run";
    double share = s->seconds[s->limit] / s->step;
    if (isnan(s->step)) {
        sheet_add(sheet, section, "", NO_BAR, "Unknown: metrics.csv has no rows yet.");
        return;
    }
    sheet_add(sheet, section, spending_name(s->limit), NO_BAR, "%.0f %% of a step (%s)", 100 * share, spending_meaning(s->limit));
    sheet_add(sheet, section, "what helps", NO_BAR, "%s", spending_remedy(s->limit));
    for (int i = 0; i < SPENDING_KINDS; i++)
        if (spending_matters(s, i))
            sheet_add(sheet, section, "also", NO_BAR, "%s, %.0f %% (%s): %s", spending_name(i), 100 * s->seconds[i] / s->step,
                      spending_meaning(i), spending_remedy(i));
}

static void add_times(struct sheet *sheet, const struct spending *s)
{
    static const char section[] = "Where the time of a step goes (rank 0, mean)";
    if (isnan(s->step))
        return;
    for (int i = 0; i < SPENDING_KINDS; i++)
        if (s->seconds[i] > 0 || i <= SPENDING_COMMUNICATION)
            sheet_add(sheet, section, spending_name(i), s->seconds[i] / s->step, "%9.2f ms %4.0f %%", 1e3 * s->seconds[i],
                      100 * s->seconds[i] / s->step);
    sheet_add(sheet, section, "a step", 1, "%9.2f ms  100 %%", 1e3 * s->step);
    if (s->on_device)
        sheet_add(sheet, section, "", NO_BAR, "On a GPU, computing includes the waits for other ranks if NCCL sums the gradients.");
    if (!s->has_phases)
        sheet_add(sheet, section, "", NO_BAR, "This metrics.csv tells only the waits for data and gradients; the rest counts as "
                  "computing, and stragglers as communication.");
}

static void add_slowest(struct sheet *sheet, const struct spending *s)
{
    static const char section[] = "Ranks";
    char slowest[32], mean[32];
    if (s->slowest_rank < 0)
        return;
    duration_text(s->slowest_seconds, slowest);
    duration_text(s->mean_seconds, mean);
    sheet_add(sheet, section, "slowest rank", NO_BAR, "rank %d, the slowest one in %.0f %% of the steps", s->slowest_rank,
              100 * s->slowest_share);
    sheet_add(sheet, section, "own work", NO_BAR, "slowest rank %s a step, mean of all ranks %s: %.0f %% more", slowest, mean,
              100 * (s->slowest_seconds / s->mean_seconds - 1));
}

static void add_checkpoints(struct sheet *sheet, const struct history *history)
{
    static const char section[] = "Checkpoints and restarts";
    const struct history_log *log = &history->log;
    char mean[32], longest[32], pause[32];
    if (isfinite(history->saved_step))
        sheet_add(sheet, section, "newest", NO_BAR, "step %.0f", history->saved_step);
    if (log->saves) {
        duration_text(log->save_seconds / log->saves, mean);
        duration_text(log->save_longest, longest);
        duration_text(log->save_pause, pause);
        sheet_add(sheet, section, "saved", NO_BAR, "%d, each in %s (longest %s); training paused for %s in all", log->saves, mean,
                  longest, pause);
    }
    if (log->unsaved)
        sheet_add(sheet, section, "not saved", NO_BAR, "%d could not be written: train.log says why", log->unsaved);
    sheet_add(sheet, section, "restarts", NO_BAR, "%d after a stop, %d after a crash that cost steps", log->stops,
              history->repeats);
    if (history->repeats) {
        duration_text(history->repeated_seconds, pause);
        sheet_add(sheet, section, "repeated", NO_BAR, "about %.0f steps, %s", history->repeated_steps, pause);
    }
}

static void add_problems(struct sheet *sheet, const struct history *history)
{
    static const char section[] = "Problems";
    const struct history_log *log = &history->log;
    if (history->damaged)
        sheet_add(sheet, section, "metrics.csv", NO_BAR, "%d damaged row%s left out", history->damaged,
                  history->damaged == 1 ? " was" : "s were");
    if (log->left_out || log->rollbacks)
        sheet_add(sheet, section, "NaN", NO_BAR, "%d updates left out, %d returns to a checkpoint", log->left_out, log->rollbacks);
    if (history->note.text[0])
        sheet_add(sheet, section, "files", NO_BAR, "%s", history->note.text);
}

void report_page_fill(struct sheet *sheet, const struct history *history)
{
    struct spending spending;
    spending_find(&spending, history);
    snprintf(sheet->title, sizeof sheet->title, "%s", history->directory);
    text_printable(sheet->title);
    add_setup(sheet, history);
    add_result(sheet, history);
    add_limit(sheet, &spending);
    add_times(sheet, &spending);
    add_slowest(sheet, &spending);
    add_checkpoints(sheet, history);
    add_problems(sheet, history);
}

int runs_report(const char *directory, const char *html, struct error *why)
{
    struct history history;
    struct sheet *sheet = memory_new(1, sizeof *sheet, "the report", why);
    int status = sheet ? history_read(&history, directory, why) : -1;
    if (!status) {
        report_page_fill(sheet, &history);
        sheet_print(sheet, stdout, sheet_width());
        if (*html)
            status = report_html(sheet, &history, html, why);
    }
    if (sheet)
        history_free(&history);
    free(sheet);
    return status;
}
