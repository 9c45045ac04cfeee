/* The walk over a tower's stages, for passes on the host (tower.c) and steps on a device (device_steps.c). */
#ifndef WALK_H
#define WALK_H

#include "tower.h"

/* The parameters changed: each stage lays them out as it likes. */
int walk_prepare(struct tower *tower, struct error *why);
/* From the plan's input to its output. */
int walk_forward(struct tower *tower, float *gradients, struct error *why);
/* The same from images (count, H, W, C) in host memory. */
int walk_images(struct tower *tower, const float *images, int count, float *gradients, struct error *why);
/* One stage, back from the last (plan.stage_count - 1) to 0: its slice of `gradients` (flat, in the backend's memory). */
int walk_backward(struct tower *tower, int index, float *gradients, struct error *why);
/* Adds the seconds since `before`. Where the tower waits for its device, it does so first. */
int walk_time(struct tower *tower, double before, double *seconds, struct error *why);

#endif
