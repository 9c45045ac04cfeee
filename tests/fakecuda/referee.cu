/* A kernel and its launch: nvcc's code for them must find the referee's functions. The kernel's twin is in referee.h. */
struct test_arguments {
    float *x;
    const float *y;
    int n, operation;
};

extern "C" __global__ void kernel_test(const struct test_arguments a)
{
    for (unsigned i = threadIdx.x; i < (unsigned)a.n; i += blockDim.x)
        a.x[i] += 1;
}

extern "C" int referee_cu_launch(float *x, int n, cudaStream_t stream)
{
    struct test_arguments a = {x, 0, n, 0};
    void *args[] = {&a};
    return cudaLaunchKernel((const void *)kernel_test, dim3(1), dim3(32), args, 0, stream);
}
