/* The kernels for the device: each runs the phases of kernels.inc, tile after tile. */
#define DEVICE_INLINE static __device__ __forceinline__
#define ALIASING(bytes) __attribute__((aligned(bytes)))
#define UNROLL _Pragma("unroll")

#include "kernels.inc"

/* The arguments stay where they were passed (__grid_constant__), though they are used through a pointer. */
#define DEVICE_KERNEL(name, threads, phases)                                                                           \
    extern "C" __global__ void __launch_bounds__(threads, 4)                                                              \
        kernel_##name(const __grid_constant__ struct name##_arguments a)                                               \
    {                                                                                                                  \
        __shared__ struct name##_shared shared;                                                                        \
        struct place at = {blockIdx.x, name##_tiles(&a, gridDim.x), threadIdx.x};                                      \
        for (; at.tile < at.tiles; at.tile += gridDim.x) {                                                             \
            _Pragma("unroll")                                                                                          \
            for (int phase = 0; phase < phases; phase++) {                                                             \
                name##_phase(phase, at, &a, &shared);                                                                  \
                if (phases > 1)                                                                                        \
                    __syncthreads();                                                                                   \
            }                                                                                                          \
        }                                                                                                              \
    }

KERNELS(DEVICE_KERNEL)
