/* TensorBoard's event files (src/formats). The values of one step, such as scalars, histograms and images, are collected in an
 * event, which is appended to a file. Needs protobuf-c and ISA-L; in a build without them event_file_open fails, and the other
 * functions do nothing.
 *
 *   struct event_file file;
 *   struct event event = {.step = 100};
 *   if (event_file_open(&file, "runs/cifar10/events/train", 0, why))
 *       return -1;
 *   event_add_scalar(&event, "total_loss", 4.67);
 *   event_add_histogram(&event, "conv1/weights", &histogram);
 *   status = event_file_append(&file, &event, why);
 *   event_clear(&event);
 *   event_file_close(&file);
 *
 * Functions that write to a file may block, and fail if the disk is full or the directory was removed. A tag's slashes group its
 * charts: "conv1/weights" stands under conv1. */
#ifndef EVENTS_H
#define EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "histogram.h"
#include "image.h"
#include "model.h"

/* The version of the library that writes event files ("protobuf-c 1.4.1"), or NULL if the program was built without it. */
const char *events_library(void);

/* ---- the values of one step ---- */

/* Serialized messages of protobuf. */
struct message_buffer {
    uint8_t *data;
    size_t size, room; /* bytes */
    bool no_memory;    /* a message is missing: memory was short */
};

/* An empty event is zeroed except for the step. If memory was short for a value, event_file_append fails. */
struct event {
    int64_t step;
    struct message_buffer values;
};
/* Removes all values, keeps the memory, and sets the step. */
void event_reset(struct event *event, int64_t step);
void event_clear(struct event *event);

void event_add_scalar(struct event *event, const char *tag, double value);
void event_add_histogram(struct event *event, const char *tag, const struct histogram *histogram);
/* The image is stored as a PNG file. For the n-th of several images, TensorFlow's tag is "images/image/N". */
void event_add_image(struct event *event, const char *tag, const struct image *image);
/* TensorBoard shows the text as Markdown: four spaces before each line keep it as it is. Bytes that are not UTF-8 become '?'. */
void event_add_text(struct event *event, const char *tag, const char *text);
/* The same, with four spaces before each line. */
void event_add_lines(struct event *event, const char *tag, const char *text);

/* ---- hyperparameters: the HParams page compares runs by them ---- */

enum hparam_kind { HPARAM_NUMBER, HPARAM_SWITCH, HPARAM_TEXT };
struct hparam {
    const char *name; /* "learning_rate" */
    enum hparam_kind kind;
    double number; /* HPARAM_SWITCH: 0 or 1 */
    const char *text;
};
/* A scalar that the table shows beside them: its tag, and the folder of its event files below that of the run's event. TensorBoard
 * finds scalars only there, so the run's event belongs in TRAIN_DIR/events, above the folders train and eval. */
struct hparam_metric {
    const char *folder, *tag; /* "train", "total_loss" */
};
/* The start of a run with these hyperparameters. TensorBoard uses the first one that it finds in a folder, also if the run is
 * resumed. */
void event_add_run(struct event *event, const struct hparam *hparams, int count, const struct hparam_metric *metrics,
                   int metric_count);
/* The end of a run that is complete: TensorBoard uses the first one that it finds. A run without it has no status in the table. */
void event_add_run_end(struct event *event, bool succeeded);

/* ---- files ---- */

/* One writer's file, DIRECTORY/events.out.tfevents.SECONDS.HOST.PID.N. It contains whole records only, unless the program is killed
 * inside a write; then the last record is cut, which readers ignore. */
struct event_file {
    int descriptor; /* -1: closed */
    off_t bytes;    /* of its whole records */
    bool half;      /* the file ends with part of a record, which is cut off before the next record is written */
    char name[4112];
};
/* Creates the directory if it is missing, and a new file in it. A run that continues after a checkpoint of step S gives
 * `first_step` S + 1: TensorBoard then ignores values of this step and later ones in earlier files. 0: it ignores none. */
int event_file_open(struct event_file *file, const char *directory, int64_t first_step, struct error *why);
/* Appends the event. After a failure the file ends with its last whole record, and a later call may succeed. */
int event_file_append(struct event_file *file, const struct event *event, struct error *why);
/* The file may be closed already, or its opening may have failed. */
int event_file_close(struct event_file *file, struct error *why);

/* ---- the graph ---- */

/* What the Graphs page draws. Every rank is a name scope tower_N with the model's layers, as in the TensorFlow tutorial's figure;
 * beside them are the parameters, the sum of the gradients and the update, which all towers share. */
struct event_graph {
    const struct net *net;
    int ranks;
    int images; /* per rank and step; -1: the number varies */
    const char *const *devices; /* a name per rank, "node1/onednn", by which nodes can be coloured; NULL: none */
};
/* Appends the graph to the file, once per run. Only the first EVENT_TOWERS_MAX ranks are drawn. */
enum { EVENT_TOWERS_MAX = 8 };
int event_file_append_graph(struct event_file *file, const struct event_graph *graph, struct error *why);

#endif
