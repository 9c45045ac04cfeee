/* The answer to one image, and how it is printed. */
#ifndef ANSWER_H
#define ANSWER_H

#include <stdbool.h>

#include "store.h"

enum { ANSWER_CLASSES = 5 };

struct answer {
    bool failed;
    int count;                           /* of classes: 5, or all if there are fewer */
    int classes[ANSWER_CLASSES];         /* the most probable first; of equally probable ones the first class */
    float probabilities[ANSWER_CLASSES]; /* 0 to 1 */
    struct error why;                    /* of a failure */
};

/* Sets count, classes and probabilities. probabilities (classes): changed. */
void answer_set(struct answer *answer, float *probabilities, int classes);

void answer_print(const struct answer *answer, const char *file, const struct checkpoint *checkpoint);
/* parameters: "EMA" or "raw". */
void answer_print_json(const struct answer *answer, const char *file, const struct checkpoint *checkpoint, const char *parameters);

#endif
