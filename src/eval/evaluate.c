/* One evaluation: its counts, and what is kept of each image. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "eval.h"

enum { RIGHT, IMAGES }; /* columns of by_class */

static void count_classes(int64_t *by_class, const struct classified *rows, int count)
{
    for (int i = 0; i < count; i++) {
        int64_t *of_class = by_class + 2 * rows[i].label;
        of_class[RIGHT] += rows[i].label_rank == 0;
        of_class[IMAGES]++;
    }
}

void eval_listen(void *listener, const struct classified *rows, int count)
{
    struct evaluation *e = listener;
    if (e->by_class)
        count_classes(e->by_class, rows, count);
}

int eval_count(struct evaluation *e, uint64_t step, struct evaluated *evaluated, struct error *why)
{
    if (e->by_class)
        memset(e->by_class, 0, 2 * (size_t)e->net.classes * sizeof *e->by_class);
    *evaluated = (struct evaluated){.step = step, .parameters = e->options->no_ema ? "raw" : "EMA"};
    if (counter_run(&e->counter, evaluated, why))
        return error_in(why, "checkpoint of step %" PRIu64, step);
    return 0;
}

void eval_print_classes(const struct evaluation *e)
{
    char most[24], share[16], line[64];
    int width = snprintf(most, sizeof most, "%" PRId64, e->examples);
    for (int i = 0; i < e->net.classes; i++) {
        const int64_t *of_class = e->by_class + 2 * i;
        const char *name = e->dataset.class_names[i];
        snprintf(share, sizeof share, "%.3f", (double)of_class[RIGHT] / (double)of_class[IMAGES]);
        int used = snprintf(line, sizeof line, "  %5s  %*" PRId64 " of %*" PRId64, of_class[IMAGES] ? share : "-", width,
                            of_class[RIGHT], width, of_class[IMAGES]);
        line_print(stdout, "%s  %.*s", line, text_fit(name, 78 - used), name);
    }
    fflush(stdout); /* eval may now wait a long time; main() checks for errors */
}
