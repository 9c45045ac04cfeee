/* The transforms of winograd.h, compiled with -mavx2 -mfma (elsewhere than on x86: plainly, and never chosen). */
#define SET winograd_avx2
#define SET_NAME "AVX2"
#define LANES 8
#include "winograd_set.h"
