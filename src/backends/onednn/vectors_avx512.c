/* The loops of vectors.h, compiled with -mavx512f and similar flags (on other architectures without them, and never chosen). */
#define SET vectors_avx512
#define SET_NAME "AVX-512"
#define LANES 16
#include "vectors_set.h"
