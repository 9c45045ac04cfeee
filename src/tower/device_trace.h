/* The timeline of a device: pieces of its work between marks, which it reaches while the host does something else. */
#ifndef DEVICE_TRACE_H
#define DEVICE_TRACE_H

#include "tower.h"

/* Before a block of steps: waits for the device and begins, if tower->training.traced. */
int device_trace_begin(struct tower *tower, struct error *why);
/* After a piece of work, such as "forward" of stage "conv1", was enqueued. stage NULL: it belongs to no stage; what NULL: there was
 * no work. beside: the piece is a copy or sum beside the other work, and begins when the work enqueued before it is done. No effect
 * outside a block that is recorded; a piece for which there is no mark left is not recorded. */
int device_trace_mark(struct tower *tower, const char *what, const char *stage, bool beside, struct error *why);
/* After a block of steps: waits for its marks, and adds its pieces to the timeline. */
int device_trace_end(struct tower *tower, struct error *why);
void device_trace_free(struct tower *tower);

#endif
