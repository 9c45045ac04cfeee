/* Suggestions for a name that was mistyped or shortened. */
#ifndef SUGGEST_H
#define SUGGEST_H

#include <stddef.h>

/* How far a word is from a name. Values below SUGGEST_FAR are worth a suggestion; the smallest is the best. */
enum suggestion {
    SUGGEST_SAME,
    SUGGEST_INITIALS,  /* lr, learning-rate */
    SUGGEST_BEGINNING, /* lr-decay, lr-decay-factor; or the other way round: evaluate, eval */
    SUGGEST_PART,      /* steps, max-steps; or the other way round: num-epochs, epochs */
    SUGGEST_LETTERS,   /* plus the number of wrong letters, at most a third of the word */
    SUGGEST_FAR = 64
};

/* Copies the word without leading dashes, up to any '=', with '_' replaced by '-'; cuts it to fit `size`. */
void suggest_plain(const char *word, char *plain, size_t size);

/* plain: from suggest_plain. */
int suggest_distance(const char *plain, const char *name);

#endif
