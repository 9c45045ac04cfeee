/* The command line: one table (src/base/options.c) feeds the parser, --help, the start block and
 * the checkpoint's attributes, so that they cannot drift apart. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum command { COMMAND_TRAIN, COMMAND_EVAL, COMMAND_PACK, COMMAND_PREDICT, COMMAND_INSPECT, COMMAND_BENCH };

enum { OPTION_TEXT = 1024 };

struct options {
    enum command command;
    char data[OPTION_TEXT], train_dir[OPTION_TEXT], model[64], tower[64], conv[16], resume[OPTION_TEXT];
    int64_t batch_size, max_steps, max_seconds, threads, loader_threads, slices, seed;
    int64_t log_frequency, checkpoint_secs, checkpoint_steps, keep, parity_steps, stall_seconds, bucket_kib;
    double epochs, learning_rate, lr_decay_factor, lr_decay_epochs, ema_decay;
    char eval_data[OPTION_TEXT]; /* "": the run's */
    char checkpoint[OPTION_TEXT], split[64];
    char precision[8], allreduce[16], on_nan[16];
    int64_t workspace_mib;
    bool deterministic, no_graph, share_devices, force, verbose;
    int64_t eval_interval_secs, num_examples;
    bool run_once, no_ema, keep_best;
    char from[OPTION_TEXT], url[OPTION_TEXT], md5[64];
    char classes[OPTION_TEXT];
    bool download, allow_missing_classes, skip_bad;
    double test_share;
    int64_t image_size, predict_size, bench_steps;
    char resize[16], predict_resize[16];
    int file_count; /* words that are no options: OUT.h5, FILE.h5, IMAGE... */
    char **files;   /* they lie in argv: rank 0 only, not for other ranks after a broadcast */
};

enum options_outcome { OPTIONS_RUN, OPTIONS_DONE /* help or version was printed: exit 0 */, OPTIONS_WRONG /* exit 2 */ };

/* Rank 0 only. Parses, checks every value against its range, prints help, or one sentence about
 * what is wrong to standard error. Moves the words of argv that are no options to its end. */
enum options_outcome options_parse(struct options *options, int argc, char **argv);

/* The index-th option of the command as "name" and its value as text; false behind the last.
 * *is_default: it was not changed. */
bool options_text(const struct options *options, int index, const char **name, char *value, size_t size,
                  bool *is_default);

/* Whether the option of that name takes no value: its text is "yes" or "no", on the line it stands alone. */
bool options_is_switch(const char *name);

#endif
