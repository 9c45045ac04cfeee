/* Writes an evaluation for TensorBoard: an event in TRAIN_DIR/events/eval. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "eval.h"
#include "event_pictures.h"
#include "summary.h"

bool eval_writes_files(const struct evaluation *e)
{
    return !e->options->checkpoint[0] && !e->world->copy;
}

int eval_events_init(struct eval_events *events, int classes, struct error *why)
{
    events->confusion = memory_new((size_t)classes * (size_t)classes, sizeof *events->confusion, "a confusion matrix", why);
    return events->confusion ? 0 : -1;
}

void eval_events_free(struct eval_events *events)
{
    struct error ignored;
    event_file_close(&events->file, &ignored);
    free(events->confusion);
    events->confusion = NULL;
}

void eval_events_reset(struct eval_events *events, int classes)
{
    events->mistakes = 0;
    if (events->confusion)
        memset(events->confusion, 0, (size_t)classes * (size_t)classes * sizeof *events->confusion);
}

/* Keeps the image if it is among the worst so far: those whose label was given the lowest probability. */
static void keep_mistake(struct eval_events *events, const struct classified *row)
{
    int place = events->mistakes;
    while (place > 0 && row->label_probability < events->worst[place - 1].label_probability)
        place--;
    if (place == EVAL_MISTAKES)
        return;
    events->mistakes += events->mistakes < EVAL_MISTAKES;
    memmove(&events->worst[place + 1], &events->worst[place], (size_t)(events->mistakes - 1 - place) * sizeof *row);
    events->worst[place] = *row;
}

void eval_events_add(struct eval_events *events, int classes, const struct classified *rows, int count)
{
    for (int i = 0; events->confusion && i < count; i++) {
        events->confusion[rows[i].label * classes + rows[i].prediction]++;
        if (rows[i].prediction != rows[i].label)
            keep_mistake(events, &rows[i]);
    }
}

/* ---- the event ---- */

static void add_classes(struct event *event, const struct evaluation *e)
{
    char tag[128];
    for (int class = 0; class < e->dataset.classes; class++) {
        const int64_t *row = e->events.confusion + (size_t)class * (size_t)e->dataset.classes;
        int64_t of_class = 0;
        for (int i = 0; i < e->dataset.classes; i++)
            of_class += row[i];
        snprintf(tag, sizeof tag, "precision of a class/%s", e->dataset.class_names[class]);
        if (of_class > 0)
            event_add_scalar(event, tag, (double)row[class] / (double)of_class);
    }
}

static int add_pictures(struct event *event, const struct evaluation *e, struct error *why)
{
    struct image confusion = {.pixels = NULL}, mistakes = {.pixels = NULL};
    int status = confusion_draw(&confusion, &e->dataset, e->events.confusion, why);
    if (!status)
        event_add_image(event, "confusion matrix", &confusion);
    if (!status && e->events.mistakes > 0) {
        status = mistakes_draw(&mistakes, &e->dataset, e->events.worst, e->events.mistakes, why);
        if (!status)
            event_add_image(event, "worst mistakes", &mistakes);
    }
    image_free(&confusion);
    image_free(&mistakes);
    return status;
}

/* Where the events of a split are: curves of different splits must not mix. */
static int directory_name(const struct evaluation *e, char *name, size_t size, struct error *why)
{
    const char *split = e->dataset.split;
    int length = snprintf(name, size, "%s/events/eval%s%s", e->options->train_dir, strcmp(split, "test") ? "-" : "",
                          strcmp(split, "test") ? split : "");
    return length < (int)size ? 0 : error_set(why, "the name of the directory %.60s... is too long", e->options->train_dir);
}

/* Opens the file for the first evaluation, and again after a failure: hours may pass between two of them, and the directory may be
 * replaced meanwhile. */
static int append(struct event_file *file, const char *directory, const struct event *event, struct error *why)
{
    struct error ignored;
    if (file->descriptor >= 0 && !event_file_append(file, event, why))
        return 0;
    event_file_close(file, &ignored);
    if (event_file_open(file, directory, 0, why))
        return -1;
    return event_file_append(file, event, why);
}

int eval_events_write(struct evaluation *e, const struct evaluated *evaluated, struct error *why)
{
    char directory[4096];
    struct event event = {.step = 0};
    if (!e->events.confusion)
        return 0;
    if (directory_name(e, directory, sizeof directory, why))
        return -1;
    evaluated_event(&event, evaluated);
    add_classes(&event, e);
    int status = add_pictures(&event, e, why);
    if (!status)
        status = append(&e->events.file, directory, &event, why);
    event_clear(&event);
    return status;
}
