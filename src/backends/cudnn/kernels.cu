/* The kernels for the device: each runs the phases of kernels.inc, tile after tile. */
#define DEVICE_INLINE static __device__ __forceinline__
#define ALIASING(bytes) __attribute__((aligned(bytes)))
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")

/* Fast instructions, about as accurate as two roundings; the norms need no more. */
#define MULTIPLY_ADD(a, b, c) __fmaf_rn((a), (b), (c))
#define ROOT(x) fast_root(x)
#define RECIPROCAL_ROOT(x) fast_reciprocal_root(x)

DEVICE_INLINE float fast_root(float x)
{
    float y;
    asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

DEVICE_INLINE float fast_reciprocal_root(float x)
{
    float y;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* Written as instructions, because the compiler splits some of these stores. */
#define STORE_TWO(p, a, b) store_two((p), (a), (b))
#define STORE_FOUR(p, a, b, c, d) store_four_words((p), (a), (b), (c), (d))

DEVICE_INLINE void store_two(void *p, unsigned a, unsigned b)
{
    asm volatile("st.global.v2.u32 [%0], {%1, %2};" : : "l"(__cvta_generic_to_global(p)), "r"(a), "r"(b) : "memory");
}

DEVICE_INLINE void store_four_words(void *p, unsigned a, unsigned b, unsigned c, unsigned d)
{
    asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};"
                 : : "l"(__cvta_generic_to_global(p)), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

#define STORE_SHARED(p, a, b, c, d) store_shared((p), (a), (b), (c), (d))
DEVICE_INLINE void store_shared(void *p, unsigned a, unsigned b, unsigned c, unsigned d)
{
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};"
                 : : "r"((unsigned)__cvta_generic_to_shared(p)), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

/* One instruction since A100. */
#if __CUDA_ARCH__ >= 800
#define HALVES(low, high) fast_halves((low), (high))
DEVICE_INLINE unsigned fast_halves(float low, float high)
{
    unsigned both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}
#else
#define HALVES(low, high) (half_by_bits(low) | half_by_bits(high) << 16)
#endif

#include "kernels.inc"

#define IS(a, value) (a) = (value)
#define HOLDS(condition) __builtin_assume(condition)
#include "kernels.instances.inc"

/* On an H100 a kernel may start before the previous one has ended (launch.c). So each kernel waits for the previous one before it
 * touches memory, and then lets the next one start, which waits in turn. */
DEVICE_INLINE void wait_for_kernel_before(void)
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/* What a block does, tile after tile. */
#define BLOCK(text, phases, a, shared)                                                                                 \
    wait_for_kernel_before();                                                                                          \
    struct place at = {blockIdx.x, text##_tiles((a), gridDim.x), threadIdx.x};                                         \
    for (; at.tile < at.tiles; at.tile += gridDim.x) {                                                                 \
        _Pragma("unroll")                                                                                              \
        for (int phase = 0; phase < phases; phase++) {                                                                 \
            text##_phase(phase, at, (a), (shared));                                                                    \
            if (phases > 1)                                                                                            \
                __syncthreads();                                                                                       \
        }                                                                                                              \
    }

/* The arguments stay where they were passed (__grid_constant__), though they are used through a pointer. */
#define DEVICE_KERNEL(name, threads, phases)                                                                           \
    extern "C" __global__ void __launch_bounds__(threads, 4)                                                              \
        kernel_##name(const __grid_constant__ struct name##_arguments a)                                               \
    {                                                                                                                  \
        __shared__ struct name##_shared shared;                                                                        \
        BLOCK(name, phases, &a, &shared)                                                                               \
    }
KERNELS(DEVICE_KERNEL)

#define DEVICE_INSTANCE(name, text, layer, type, half)                                                                 \
    extern "C" __global__ void __launch_bounds__(THREADS, 4)                                                              \
        kernel_##name##_##layer##_##type(const __grid_constant__ struct name##_arguments given)                        \
    {                                                                                                                  \
        __shared__ struct name##_shared shared;                                                                        \
        struct name##_arguments a = given;                                                                             \
        name##_at_##layer(&a, half);                                                                                   \
        BLOCK(text, PHASES_##name, &a, &shared)                                                                        \
    }
INSTANCES(DEVICE_INSTANCE)
