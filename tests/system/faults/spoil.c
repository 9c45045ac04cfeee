/* Preloaded into a run by tests/spoil.sh: causes a numerical fault in one rank, or makes the disk slow. Environment variables:
 *   SPOIL_RANK     the rank, by Open MPI's number
 *   SPOIL_STEP     the first step with the fault, counted from 1 in this process; SPOIL_STEPS: the number of such steps (1)
 *   SPOIL_WHAT     gradient: a NaN in the weights' gradient of the layer with 384 outputs (local3)
 *                  loss: one image's logarithm is NaN
 *                  parameter: a bit of one weight of local3 flips, in this rank's copy only
 *                  disk: each fsync lasts SPOIL_SECONDS
 * Counts steps by the openblas tower's forward products of local3: with one slice per rank there is one in each step. */
#include <cblas.h>
#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUTS = 2304, OUTPUTS = 384 };

static int step; /* this rank's current step */

static int number(const char *name, int otherwise)
{
    return getenv(name) ? atoi(getenv(name)) : otherwise;
}

static bool is_due(const char *what)
{
    const char *wanted = getenv("SPOIL_WHAT");
    int first = number("SPOIL_STEP", 0);
    return wanted && !strcmp(wanted, what) && number("OMPI_COMM_WORLD_RANK", 0) == number("SPOIL_RANK", 0) && step >= first &&
           step < first + number("SPOIL_STEPS", 1);
}

void cblas_sgemm(CBLAS_LAYOUT layout, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b, blasint m, blasint n, blasint k,
                 float alpha, const float *a, blasint lda, const float *b, blasint ldb, float beta, float *c, blasint ldc)
{
    static void (*real)(CBLAS_LAYOUT, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, blasint, blasint, blasint, float, const float *, blasint,
                        const float *, blasint, float, float *, blasint);
    bool forward = trans_a == CblasNoTrans && trans_b == CblasNoTrans && n == OUTPUTS && k == INPUTS;
    bool weights = trans_a == CblasTrans && m == INPUTS && n == OUTPUTS;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "cblas_sgemm");
    step += forward;
    if (forward && is_due("parameter"))
        *(uint32_t *)(uintptr_t)(b + 12345) ^= 1u << 3;
    real(layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    if (weights && is_due("gradient"))
        c[54321] = NAN;
}

double log(double x)
{
    static double (*real)(double);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "log");
    return is_due("loss") ? NAN : real(x);
}

int fsync(int descriptor)
{
    static int (*real)(int);
    const char *what = getenv("SPOIL_WHAT");
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    if (what && !strcmp(what, "disk"))
        sleep((unsigned)number("SPOIL_SECONDS", 0));
    return real(descriptor);
}
