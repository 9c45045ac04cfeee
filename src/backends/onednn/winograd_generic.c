/* The transforms of winograd.h, for any processor. */
#define SET winograd_generic
#define SET_NAME "generic"
#define LANES 4
#include "winograd_set.h"
