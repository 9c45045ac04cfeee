/* Training steps of towers on the host (host_steps.c) and on a device (device_steps.c); steps.c calls the right ones. */
#ifndef TOWER_STEPS_H
#define TOWER_STEPS_H

#include "tower.h"

/* Collective. Runs one step, and keeps its result in the tower. */
int host_step(struct tower *tower, const struct step *step, struct error *why);

/* Not collective. Allocates memory and hands the training images to the device. device_end undoes it, also after a failure. */
int device_start(struct tower *tower, struct error *why);
void device_end(struct tower *tower);
/* Whether the host takes no part in a step's exchange. */
bool device_runs_ahead(const struct tower *tower);
/* Collective. Enqueues steps and the copy of their results to the host. */
int device_give(struct tower *tower, const struct step *steps, int count, struct error *why);
/* Not collective. Waits for the results of the oldest device_give not read yet. */
int device_results(struct tower *tower, struct step_result *results, int count, struct error *why);

#endif
