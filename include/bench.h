/* Bench: measures the towers of all ranks and prints tables. */
#ifndef BENCH_H
#define BENCH_H

#include "backend.h"
#include "data.h"
#include "model.h"
#include "options.h"
#include "parallel.h"
#include "tower.h"

/* Rows of the table after the stages. */
enum bench_row { BENCH_LOSS, BENCH_UPDATE, BENCH_EMA, BENCH_STEP, BENCH_CPU, BENCH_ROWS };

/* Seconds: forward, input gradient, gradient of weights and biases. */
struct bench_convolution {
    double forward, input, weights;
};

/* Medians over the steps of one rank. */
struct bench_times {
    double rows[BENCH_ROWS]; /* seconds a step; BENCH_CPU: CPU time */
    double reduce; /* seconds to reduce one parcel over all ranks, without other work */
    double loader; /* images per second of one loader thread alone */
    double peak;   /* fp32 operations per second of one core */
    double bandwidth; /* bytes per second of one core, beyond its second-level cache */
    char host[64];
};

struct bench {
    const struct options *options;
    const struct world *world;
    const struct model *model;
    const struct backend *backend;
    struct device_place place;
    struct net net;
    struct tower tower;
    int slices, slice; /* slices of this rank per step; images per slice */
    float *images, *parameters;
    int32_t *labels;
    struct batch batch;      /* images and labels: every slice of a tower on the host */
    struct dataset dataset;  /* pixels and pixel_labels: for the loader, and for a tower on a device */
    uint8_t *pixels, *pixel_labels;
    struct world alone;      /* one rank */
    struct reducer reducer;  /* of that world */
    uint64_t steps;          /* given to the tower so far */
    struct bench_times times;
    /* Of this rank too, but only rank 0 prints its own: */
    struct stage_time *stages;                    /* (plan.stage_count): medians, seconds a step */
    struct bench_convolution *direct, *winograd;  /* (net.layer_count), where both algorithms apply */
};

/* Collective. Measures every rank's tower; rank 0 prints a table of layers, rates and the share of the cores' peak. -1, before
 * anything is measured, if the options do not fit or memory is short. A later failure aborts all ranks (world_abort). */
int bench_run(const struct options *options, const struct world *world, struct error *why);

/* Not collective. bench_images makes the data set; the caller frees pixels and pixel_labels. bench_start prepares the tower for
 * steps without other ranks. */
int bench_images(struct bench *bench, struct error *why);
int bench_start(struct bench *bench, struct error *why);
/* Not collective. This rank's tower alone, --bench-steps steps; then its loader. */
int bench_tower(struct bench *bench, struct error *why);
int bench_loader(struct bench *bench, struct error *why);
/* Not collective. Times, one by one, the convolutions for which the backend has two algorithms. */
int bench_convolutions(struct bench *bench, struct error *why);
/* Collective. Times the reduction alone. */
int bench_reduce(struct bench *bench, struct error *why);

/* Returns the median; sorts the values. */
double bench_median(double *values, int count);

/* Rank 0 only. all: every rank's times, in rank order. */
void bench_print(const struct bench *bench, const struct bench_times *all);

/* Arithmetic operations (a multiply-add is two) of a stage, per step of a rank, by direct convolution. The first layer's input
 * needs no gradient. */
void bench_operations(const struct bench *bench, const struct stage *stage, double *forward, double *backward);

/* Rank 0 only. Prints the operations and bytes of its passes, and how near they come to the limits of the cores. */
void bench_print_roofline(const struct bench *bench, const struct bench_times *times);

/* Rank 0 only. Prints the times of both algorithms of each convolution that has two. */
void bench_print_convolutions(const struct bench *bench);

#endif
