/* The graph that TensorBoard draws. */
#include "event.h"

int event_file_append_graph(struct event_file *file, const struct event_graph *graph, struct error *why)
{
    (void)file, (void)graph, (void)why;
    return 0;
}
