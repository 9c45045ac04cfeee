/* The loops of vectors.h, for any processor. */
#define SET vectors_generic
#define SET_NAME "generic"
#define LANES 4
#include "vectors_set.h"
