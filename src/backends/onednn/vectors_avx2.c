/* The loops of vectors.h, compiled with -mavx2 -mfma (on other architectures without these flags, and never chosen). */
#define SET vectors_avx2
#define SET_NAME "AVX2"
#define LANES 8
#include "vectors_set.h"
