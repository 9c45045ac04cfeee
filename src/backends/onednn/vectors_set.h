/* The loops of vectors.h for one instruction set: SET is its variable, SET_NAME its name, LANES the floats in a register. */
#include "vectors.h"

typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef uint8_t bytes __attribute__((vector_size(LANES), aligned(1), may_alias));

#define LOAD(pointer) (*(const vec *)(pointer))
#define STORE(pointer, value) (*(vec *)(pointer) = (value))

#include "winograd_transforms.h"

#define FILTER f4x3
#define M 4
#define R 3
#define N 6
#include "winograd_kernels.h"

#define FILTER f4x5
#define M 4
#define R 5
#define N 8
#include "winograd_kernels.h"

#include "pool_kernel.h"

const struct vector_set SET = {SET_NAME, {&f4x3_kernels, &f4x5_kernels}, pool_window};
