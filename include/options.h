/* Options. One table (src/options/flag.c) feeds the command line, --config, --help, the start block and the checkpoint's
 * attributes, so that they cannot drift apart.
 *
 * A value comes from the first of these that has it: the command line; the file of --config; the recipe of --model (recipe.h);
 * the table's default. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend.h"
#include "image.h"
#include "progress.h"

enum command { COMMAND_TRAIN, COMMAND_EVAL, COMMAND_PACK, COMMAND_PREDICT, COMMAND_INSPECT, COMMAND_BENCH,
               COMMAND_REPORT, COMMAND_COMPARE };

/* How the user wants gradients to be summed over the ranks. */
enum allreduce {
    ALLREDUCE_AUTO,     /* the fastest way available */
    ALLREDUCE_MPI,      /* through host memory, by MPI */
    ALLREDUCE_MPI_CUDA, /* by an MPI that reads the GPUs' memory */
    ALLREDUCE_NCCL,     /* by NCCL */
    ALLREDUCE_TREE,     /* in the fixed tree: the same bits every time */
};

/* What to do about a loss or gradient that is not finite. */
enum on_nan {
    ON_NAN_STOP,     /* the run stops */
    ON_NAN_SKIP,     /* the step's update is skipped */
    ON_NAN_ROLLBACK, /* the run goes back to the last checkpoint's parameters */
};

enum {
    OPTION_TEXT = 1024, /* bytes of the longest value, with its terminating zero */
    OPTIONS_MAX = 96,   /* maximum number of rows in the table */
};

/* Where a value comes from; a higher one overrides a lower one. */
enum option_source { SOURCE_DEFAULT, SOURCE_CONFIG, SOURCE_LINE };

struct options {
    enum command command;
    char data[OPTION_TEXT], train_dir[OPTION_TEXT], model[64], resume[OPTION_TEXT];
    char tower[64]; /* "auto" or a backend's name */
    int64_t batch_size, max_steps, max_seconds, threads, loader_threads, slices, seed;
    int64_t log_frequency, summary_frequency, checkpoint_secs, checkpoint_steps, keep, parity_steps, stall_seconds, bucket_kib;
    int64_t eval_steps;
    double target_precision;
    double epochs, learning_rate, lr_decay_factor, lr_decay_epochs, ema_decay;
    char eval_data[OPTION_TEXT]; /* "": the run's */
    char checkpoint[OPTION_TEXT], predictions[OPTION_TEXT];
    char split[64]; /* "test" or "train", as in the packed file */
    enum convolution_choice conv;
    enum precision precision;
    enum allreduce allreduce;
    enum on_nan on_nan;
    enum progress_choice progress;
    int64_t workspace_mib;
    bool deterministic, no_graph, share_devices, force, verbose;
    int64_t eval_interval_secs, num_examples;
    bool run_once, no_ema, keep_best, json;
    char trace[OPTION_TEXT], trace_steps[64];
    char from[OPTION_TEXT], url[OPTION_TEXT], md5[64];
    char classes[OPTION_TEXT];
    char filters[OPTION_TEXT], images[OPTION_TEXT];
    bool diff;
    bool download, allow_missing_classes, skip_bad;
    double test_share;
    int64_t image_size, predict_size, bench_steps;
    enum resize resize, predict_resize;
    char html[OPTION_TEXT], svg[OPTION_TEXT]; /* "": none */
    char config[OPTION_TEXT];
    unsigned char source[OPTIONS_MAX]; /* enum option_source of each row of the table */
    int file_count; /* arguments that are not options: OUT.h5, FILE.h5, IMAGE..., DIR... */
    char **files;   /* points into argv: valid on rank 0 only */
};

enum options_outcome { OPTIONS_RUN, OPTIONS_DONE /* help or version was printed: exit 0 */, OPTIONS_WRONG /* exit 2 */ };

/* Rank 0 only. Parses the command line and checks every value against its range. Prints help if asked to, or one sentence about a
 * mistake to standard error. Moves the arguments that are not options to the end of argv. */
enum options_outcome options_parse(struct options *options, int argc, char **argv);

/* The index-th option of the command: its name, and its value as text. False after the last. *is_default: the value is the
 * recipe's or the table's. */
bool options_text(const struct options *options, int index, const char **name, char *value, size_t size,
                  bool *is_default);

/* The value of the command's option of that name as text; "" if the command has no such option. */
void options_value(const struct options *options, const char *name, char *value, size_t size);

/* The steps of --trace-steps A:B, both included; -1 with a sentence if it has another form. */
int options_trace_steps(const struct options *options, uint64_t *first, uint64_t *last, struct error *why);

/* The index-th option of the command as a shell takes it: "--batch-size 64", "--force", or "--force=no", which turns off what a
 * file turns on. "" for one at its default, and for --config, since the options from that file are listed themselves. False after
 * the last. */
enum { OPTION_WORD = 4 * OPTION_TEXT + 68 };
bool options_word(const struct options *options, int index, char word[OPTION_WORD]);

#endif
