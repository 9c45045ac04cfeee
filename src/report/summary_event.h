/* The event of a summary (summary_event.c), for the thread that writes it (summary_writer.c). */
#ifndef SUMMARY_EVENT_H
#define SUMMARY_EVENT_H

#include "summary.h"

/* Moving averages of each tensor's weight decay over the summaries of this process: (net->tensor_count); 0: none yet. */
struct summary_averages {
    double *decay;
};

/* Fills in the event. Changes summary->gradients: they become means, with weight decay. images: as in struct summary_request. */
void summary_event(struct event *event, const struct net *net, struct summary *summary, int images,
                   struct summary_averages *averages);

#endif
