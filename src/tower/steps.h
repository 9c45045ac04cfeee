/* The two kinds of tower that make training steps: on the host (host_steps.c) and on a device (device_steps.c). steps.c chooses. */
#ifndef TOWER_STEPS_H
#define TOWER_STEPS_H

#include "tower.h"

/* Collective. One step, done when it returns; its result is kept in the tower. */
int host_step(struct tower *tower, const struct step *step, struct error *why);

/* Not collective. Takes memory and brings the training images to the device; end undoes it, also after a failure. */
int device_start(struct tower *tower, struct error *why);
void device_end(struct tower *tower);
/* Whether steps need no host between them. */
bool device_runs_ahead(const struct tower *tower);
/* Collective. Enqueues steps, and that their results come to the host. */
int device_give(struct tower *tower, const struct step *steps, int count, struct error *why);
/* Not collective. Waits for the results of the oldest steps given that were not read yet. */
int device_results(struct tower *tower, struct step_result *results, int count, struct error *why);

#endif
