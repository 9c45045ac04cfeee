/* The transforms of winograd.h, compiled with -mavx512f and its like (elsewhere than on x86: plainly, and never chosen). */
#define SET winograd_avx512
#define SET_NAME "AVX-512"
#define LANES 16
#include "winograd_set.h"
