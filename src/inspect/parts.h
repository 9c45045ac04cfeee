/* The parts of inspect. Rank 0 only; all print to standard output. */
#ifndef PARTS_OF_INSPECT_H
#define PARTS_OF_INSPECT_H

#include "options.h"
#include "store.h"

/* ---- reading (values.c) ---- */

/* Walks through a data set of any type and rank, some rows at a time. */
struct reading {
    struct h5 *h5;
    const char *name;
    struct h5_shape shape;
    int64_t row;           /* elements in a row */
    int64_t first, count;  /* the rows in memory now */
    int64_t block;         /* most rows in memory */
    void *elements;        /* (count, row), of the data set's type */
};
int reading_open(struct reading *reading, struct h5 *h5, const char *name, struct error *why);
/* Reads the next rows; count 0: there are none left. */
int reading_next(struct reading *reading, struct error *why);
void reading_close(struct reading *reading);
/* An element of the rows in memory, 0 <= index < count * row. */
double reading_value(const struct reading *reading, int64_t index);

/* Reads a whole split's labels and counts the images of each class. A missing split has none. *labels (images), *counts
 * (classes): new arrays, also after a failure; the caller frees them. */
int labels_count(struct h5 *h5, const char *split, int classes, uint8_t **labels, int64_t **counts, int64_t *images,
                 struct error *why);

/* ---- what is printed ---- */

/* Every attribute of an object as a line "name  value" (inspect.c). */
int print_attributes(struct h5 *h5, const char *object, struct error *why);
/* Every data set, a line each, those of floats with their statistics (values.c). */
int print_data_sets(struct h5 *h5, struct error *why);
/* Images of each class in both splits of a packed file (values.c). */
int print_class_counts(struct h5 *h5, struct error *why);
/* The attributes and data sets in which two files differ (diff.c). */
int print_differences(struct h5 *a, struct h5 *b, struct error *why);

/* ---- pictures, saved as PNG (pictures.c) ---- */

/* A contact sheet of a packed file: a row per class, its name and counts, then images spread evenly over the training split. */
int save_contact_sheet(struct h5 *h5, const char *file, struct error *why);
/* The filters of a checkpoint's first layer. averaged: those of /ema, if it has them, else those of /params. */
int save_filters(struct h5 *h5, bool averaged, const char *file, struct error *why);

#endif
