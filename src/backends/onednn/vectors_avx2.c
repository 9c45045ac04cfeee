/* The loops of vectors.h, compiled with -mavx2 -mfma (on other processors without, and never chosen). */
#define SET vectors_avx2
#define SET_NAME "AVX2"
#define LANES 8
#include "vectors_set.h"
