/* Event files in a build without protobuf-c or ISA-L. */
#include "events.h"

const char *events_library(void)
{
    return NULL;
}

void event_reset(struct event *event, int64_t step)
{
    event->step = step;
}

void event_clear(struct event *event)
{
    (void)event;
}

void event_add_scalar(struct event *event, const char *tag, double value)
{
    (void)event, (void)tag, (void)value;
}

void event_add_histogram(struct event *event, const char *tag, const struct histogram *histogram)
{
    (void)event, (void)tag, (void)histogram;
}

void event_add_image(struct event *event, const char *tag, const struct image *image)
{
    (void)event, (void)tag, (void)image;
}

void event_add_text(struct event *event, const char *tag, const char *text)
{
    (void)event, (void)tag, (void)text;
}

void event_add_lines(struct event *event, const char *tag, const char *text)
{
    (void)event, (void)tag, (void)text;
}

void event_add_run(struct event *event, const struct hparam *hparams, int count, const struct hparam_metric *metrics,
                   int metric_count)
{
    (void)event, (void)hparams, (void)count, (void)metrics, (void)metric_count;
}

void event_add_run_end(struct event *event, bool succeeded)
{
    (void)event, (void)succeeded;
}

int event_file_open(struct event_file *file, const char *directory, int64_t first_step, struct error *why)
{
    (void)first_step;
    *file = (struct event_file){.descriptor = -1};
    return error_set(why, "%s: this program was built without protobuf-c and ISA-L, which write event files (Debian: "
                     "libprotobuf-c-dev, protobuf-c-compiler, libisal-dev)", directory);
}

int event_file_append(struct event_file *file, const struct event *event, struct error *why)
{
    (void)file, (void)event, (void)why;
    return 0;
}

int event_file_close(struct event_file *file, struct error *why)
{
    (void)file, (void)why;
    return 0;
}

int event_file_append_graph(struct event_file *file, const struct event_graph *graph, struct error *why)
{
    (void)file, (void)graph, (void)why;
    return 0;
}
