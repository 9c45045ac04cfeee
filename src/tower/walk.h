/* Loops over a tower's stages, for passes on the host (tower.c) and steps on a device (device_steps.c). */
#ifndef WALK_H
#define WALK_H

#include "tower.h"

/* Call after the parameters have changed: each stage makes its own layout of them. */
int walk_prepare(struct tower *tower, struct error *why);
/* Forward pass, from the plan's input to its output. phases: where each stage is marked; NULL: nowhere. */
int walk_forward(struct tower *tower, float *gradients, struct phases *phases, struct error *why);
/* Forward pass of images (count, H, W, C) in host memory. */
int walk_images(struct tower *tower, const float *images, int count, float *gradients, struct phases *phases, struct error *why);
/* Backward pass of one stage; call it from the last stage (plan.stage_count - 1) down to 0. Writes the stage's part of `gradients`
 * (flat, in the backend's memory). */
int walk_backward(struct tower *tower, int index, float *gradients, struct error *why);
/* After a piece of work, such as "forward" of stage "conv1". Adds the seconds since `before` to *seconds; if tower->waits, waits
 * for the device first. Then marks the piece in a device's timeline (device_trace.h). */
int walk_time(struct tower *tower, double before, double *seconds, const char *what, const char *stage, struct error *why);

#endif
