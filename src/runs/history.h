/* The history of one run, read from its directory. */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* Columns of metrics.csv, in the order of history_columns (history.c). Files of older versions lack the later ones. */
enum metric {
    METRIC_STEP,
    METRIC_EPOCH,
    METRIC_TOTAL_LOSS,
    METRIC_CROSS_ENTROPY,
    METRIC_PRECISION,
    METRIC_LEARNING_RATE,
    METRIC_EXAMPLES,
    METRIC_SECONDS, /* a step */
    METRIC_DATA_WAIT,
    METRIC_REDUCE_WAIT,
    METRIC_LOAD,
    METRIC_FORWARD,
    METRIC_BACKWARD,
    METRIC_DEVICE,
    METRIC_REDUCE,
    METRIC_UPDATE,
    METRIC_REPORT,
    METRIC_SAVE,
    METRIC_PARITY,
    METRIC_EVALUATE,
    METRIC_SLOWEST_RANK,
    METRIC_SLOWEST_SECONDS,
    METRIC_MEAN_SECONDS,
    METRICS
};

/* An evaluation on test images, from eval.csv. */
struct history_evaluation {
    double step, precision, cross_entropy;
};

/* Read from train.log. Times are seconds since 1970. */
struct history_log {
    double began, ended; /* of the first and the last line; NaN: there are no lines */
    int stops;           /* times that the run was stopped, or had done all its steps, and then continued */
    int saves, unsaved;  /* checkpoints that were written; that could not be written */
    double save_seconds, save_longest, save_pause; /* sum over the checkpoints, longest one, sum of the training's pauses */
    int left_out, rollbacks; /* because of a NaN: updates left out, returns to a checkpoint */
    char end[512];           /* the last line about the end, such as "stopped at step 90: SIGTERM"; "": there is none */
    bool is_last;            /* nothing follows that line */
};

struct history_setting {
    char name[64], value[1024];
};

struct history {
    const char *directory;
    int rows, damaged;       /* of metrics.csv: whole rows, and rows that were left out as damaged */
    double *values[METRICS]; /* `rows` numbers each; NaN: unknown */
    double *elapsed;         /* seconds of training until that row, without pauses between two starts of the program */
    int repeats;             /* starts that repeated steps (metrics.csv.undone) */
    double repeated_steps, repeated_seconds;
    struct history_evaluation *evaluations; /* one kind of parameters (`parameters`): EMA, if it was ever evaluated */
    int evaluation_count;
    char parameters[16];
    struct history_log log;
    struct history_setting *settings; /* the newest checkpoint's provenance: options, libraries, ranks; sorted by name */
    int setting_count;
    double saved_step, saved_seconds; /* the newest checkpoint's step and seconds of training; NaN: there is none */
    bool running;                     /* a run holds the directory now */
    struct error note;                /* about a damaged checkpoint or eval.csv; "" */
};

/* Reads the directory, whose name is not copied. -1: there is no run there, or metrics.csv cannot be read. The caller calls
 * history_free in any case. */
int history_read(struct history *history, const char *directory, struct error *why);
void history_free(struct history *history);

/* The text of a setting; "" if unknown. */
const char *history_setting(const struct history *history, const char *name);

/* Mean over all steps; NaN if the column is missing. */
double history_mean(const struct history *history, enum metric metric);
/* The last row's value; NaN if there are no rows. */
double history_last(const struct history *history, enum metric metric);
/* Seconds of training until a step, as `elapsed`. NaN: unknown. */
double history_elapsed(const struct history *history, double step);
/* The number of steps done: of the last row or the newest checkpoint. */
double history_steps(const struct history *history);

/* ---- for history.c only ---- */

/* Reads train.log's text, which is changed. */
void history_read_log(struct history_log *log, char *text);
/* Reads the newest checkpoint's provenance; what is damaged goes to history->note. */
void history_read_checkpoint(struct history *history);

#endif
