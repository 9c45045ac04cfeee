/* What cublasLt offers for dense layers on the current device, and whether it computes what it says: `products` prints a line for
 * each product of some layers, with each epilogue, in each precision. Exit code 1 where a product has no algorithm even without an
 * epilogue, or a number is wrong: some elements are compared with sums in double precision. All numbers are exact in bfloat16, and
 * the halves of each sum are large and nearly cancel: parts that were rounded to bfloat16 would be seen. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cudnn/product.h"

enum { BATCH = 128, SAMPLES = 64, FILL = 256 };

static const char *const precisions[] = {[PRECISION_FP32] = "fp32", [PRECISION_TF32] = "tf32", [PRECISION_BF16] = "bf16"};

struct trial {
    const char *name;
    struct product_request request;
    float *a, *b, *bias, *before; /* on the host; before: the product whose mask is read */
    float *d;                     /* found */
    bool offered;
};

/* ---- numbers: a and b as the product sees them, (m, k) and (k, n) ---- */

static float number(uint32_t i)
{
    i = (i ^ i >> 15) * 0x2c1b3c6du;
    return 0.5f + (float)(i >> 20 & 15) / 16;
}

static size_t a_place(const struct product_request *r, int i, int k)
{
    return r->a == CUBLAS_OP_T ? (size_t)k + (size_t)i * (size_t)r->k : (size_t)i + (size_t)k * (size_t)r->m;
}

static size_t b_place(const struct product_request *r, int k, int j)
{
    return r->b == CUBLAS_OP_T ? (size_t)j + (size_t)k * (size_t)r->n : (size_t)k + (size_t)j * (size_t)r->k;
}

static float *floats(int rows, int columns)
{
    float *made = calloc((size_t)rows * (size_t)columns, sizeof *made);
    if (!made)
        abort();
    return made;
}

static void fill(struct trial *t)
{
    const struct product_request *r = &t->request;
    t->a = floats(r->m, r->k), t->b = floats(r->k, r->n), t->bias = floats(r->m, 1), t->d = floats(r->m, r->n);
    for (int i = 0; i < r->m * r->k; i++)
        t->a[i] = number((uint32_t)i);
    for (int k = 0; k < r->k; k++)
        for (int j = 0; j < r->n; j++)
            t->b[b_place(r, k, j)] = (k < r->k / 2 ? 1.0f : -1.0f) * number((uint32_t)(FILL + j * r->k + k));
    for (int i = 0; i < r->m; i++)
        t->bias[i] = number((uint32_t)i) - 1;
}

/* ---- to the device and back ---- */

static void *upload(const float *values, size_t count, bool half, struct error *why)
{
    uint16_t *halves = malloc(count * sizeof *halves);
    void *at = halves ? device_new(count * (half ? 2 : sizeof *values), "a matrix", why) : NULL;
    for (size_t i = 0; at && i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        halves[i] = (uint16_t)(bits >> 16);
    }
    if (at && (CUDA(cudaMemcpy(at, half ? (const void *)halves : values, count * (half ? 2 : sizeof *values),
                               cudaMemcpyHostToDevice), why) || CUDA(cudaDeviceSynchronize(), why)))
        at = NULL;
    free(halves);
    return at;
}

static int download(float *values, const void *from, size_t count, bool half, struct error *why)
{
    uint16_t *halves = (uint16_t *)values; /* the upper half of each float behind it: turned from the end */
    if (CUDA(cudaDeviceSynchronize(), why) ||
        CUDA(cudaMemcpy(values, from, count * (half ? 2 : sizeof *values), cudaMemcpyDeviceToHost), why))
        return -1;
    for (size_t i = count; half && i-- > 0;) {
        uint32_t bits = (uint32_t)halves[i] << 16;
        memcpy(&values[i], &bits, sizeof bits);
    }
    return 0;
}

static int memory_make(struct trial *t, struct product_memory *memory, struct error *why)
{
    const struct product_request *r = &t->request;
    size_t m = (size_t)r->m, n = (size_t)r->n, k = (size_t)r->k;
    memory->a = upload(t->a, m * k, r->half, why);
    memory->b = memory->a ? upload(t->b, k * n, r->half, why) : NULL;
    memory->d = memory->b ? upload(t->d, m * n, r->d_half, why) : NULL;
    memory->bias = memory->d ? upload(t->bias, m, r->d_half, why) : NULL;
    return memory->bias ? 0 : -1;
}

static void memory_free(const struct product_memory *memory)
{
    device_free((void *)(uintptr_t)memory->a);
    device_free((void *)(uintptr_t)memory->b);
    device_free(memory->d);
    device_free(memory->bias);
}

/* ---- what is expected ---- */

/* How far the element is off, in what is allowed: 1 is just right. */
static double element_error(const struct trial *t, int i, int j)
{
    const struct product_request *r = &t->request;
    cublasLtEpilogue_t e = r->epilogues[0];
    double sum = 0, size = 0;
    for (int k = 0; k < r->k; k++) {
        double part = (double)t->a[a_place(r, i, k)] * t->b[b_place(r, k, j)];
        sum += part, size += fabs(part);
    }
    if (e != CUBLASLT_EPILOGUE_DEFAULT && e != CUBLASLT_EPILOGUE_DRELU && e != CUBLASLT_EPILOGUE_BGRADA)
        sum += t->bias[i];
    if (((e == CUBLASLT_EPILOGUE_RELU_BIAS || e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS) && sum < 0) ||
        (e == CUBLASLT_EPILOGUE_DRELU && !(t->before[(size_t)i + (size_t)j * (size_t)r->m] > 0)))
        sum = 0;
    double allowed = 2e-5 * size + (r->d_half ? ldexp(fabs(sum), -8) : 0);
    return fabs(t->d[(size_t)i + (size_t)j * (size_t)r->m] - sum) / allowed;
}

static double bias_error(const struct trial *t, const float *found, int i)
{
    double sum = 0;
    for (int k = 0; k < t->request.k; k++)
        sum += t->a[a_place(&t->request, i, k)];
    return fabs(found[i] - sum) / (2e-5 * sum);
}

static int check(struct trial *t, const struct product_memory *memory, double *worst, struct error *why)
{
    const struct product_request *r = &t->request;
    if (download(t->d, memory->d, (size_t)r->m * (size_t)r->n, r->d_half, why))
        return -1;
    for (int s = 0; s < SAMPLES; s++)
        *worst = fmax(*worst, element_error(t, (s * 7919 + 1) % r->m, (s * 104729 + 1) % r->n));
    if (r->epilogues[0] != CUBLASLT_EPILOGUE_BGRADA)
        return 0;
    float *bias = floats(r->m, 1);
    int status = download(bias, memory->bias, (size_t)r->m, r->d_half, why);
    for (int i = 0; i < r->m && !status; i++)
        *worst = fmax(*worst, bias_error(t, bias, i));
    free(bias);
    return status;
}

/* ---- a trial ---- */

static int run(struct trial *t, const struct cudnn_library *library, struct cudnn_product *p, void *mask, double *worst,
               struct error *why)
{
    struct product_memory memory = {.mask = mask};
    int status = memory_make(t, &memory, why) || cudnn_product_run(p, library->stream, &memory, why) ||
                 check(t, &memory, worst, why);
    memory_free(&memory);
    return status ? -1 : 0;
}

/* 1: wrong. A missing epilogue is none. */
static int try(struct trial *t, const struct cudnn_library *library, void *mask)
{
    static const char *const offered[] = {"not offered", "wrong", "right"};
    struct cudnn_product p;
    struct error why;
    double worst = 0;
    t->request.half = library->precision == PRECISION_BF16;
    t->request.memory = (struct product_memory){.mask = mask};
    fill(t);
    int verdict = cudnn_product_init(&p, library, &t->request, &why) ? 0 : 1;
    if (verdict && !run(t, library, &p, mask, &worst, &why))
        verdict += worst <= 1;
    printf("| %s | %s | %d x %d x %d | %s | %.2f | %.3f |%s\n", precisions[library->precision], t->name, t->request.m, t->request.n,
           t->request.k, offered[verdict], verdict ? (double)p.workspace_bytes / (1 << 20) : 0.0, worst,
           verdict == 1 && worst <= 1 ? why.text : "");
    if (verdict)
        cudnn_product_free(&p);
    t->offered = verdict;
    free(t->a), free(t->b), free(t->bias);
    return verdict == 1 || (verdict == 0 && t->request.epilogues[0] == CUBLASLT_EPILOGUE_DEFAULT);
}

/* A layer's products; its input is behind a ReLU of as many outputs. */
static int try_layer(const struct cudnn_library *library, int in, int out)
{
    bool half = library->precision == PRECISION_BF16;
    struct error why;
    void *mask = device_new((size_t)product_mask_rows(in) / 8 * BATCH, "a mask", &why);
    struct product_request forward = {.m = out, .n = BATCH, .k = in, .d_half = half};
    struct product_request before = {.m = in, .n = BATCH, .k = out, .d_half = half};
    struct product_request weights = {.b = CUBLAS_OP_T, .m = out, .n = in, .k = BATCH};
    struct product_request input = {.a = CUBLAS_OP_T, .m = in, .n = BATCH, .k = out, .d_half = half};
    struct trial trials[] = {
        {"forward", forward, .before = NULL}, {"forward, bias", forward, .before = NULL},
        {"forward, bias, ReLU", forward, .before = NULL}, {"forward, bias, ReLU, mask", before, .before = NULL},
        {"input", input, .before = NULL}, {"input, masked", input, .before = NULL},
        {"weights", weights, .before = NULL}, {"weights, bias's gradient", weights, .before = NULL},
    };
    static const cublasLtEpilogue_t epilogues[] = {
        CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_RELU_BIAS, CUBLASLT_EPILOGUE_RELU_AUX_BIAS,
        CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_DRELU, CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_BGRADA,
    };
    int failed = !mask;
    for (size_t i = 0; mask && i < sizeof trials / sizeof *trials; i++) {
        trials[i].request.epilogues[0] = epilogues[i];
        trials[i].before = trials[3].d;
        if (epilogues[i] != CUBLASLT_EPILOGUE_DRELU || trials[3].offered) /* else there is no mask */
            failed += try(&trials[i], library, mask);
    }
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++)
        free(trials[i].d);
    device_free(mask);
    return failed;
}

int main(void)
{
    struct error why;
    int failed = 0;
    printf("| precision | product | m x n x k | cublasLt | workspace MiB | error / allowed |\n|---|---|---|---|---|---|\n");
    for (int precision = PRECISION_FP32; precision <= PRECISION_BF16; precision++) {
        struct plan_request request = {.precision = (enum precision)precision, .workspace = 32 << 20};
        struct cudnn_library library;
        if (cudnn_library_open(&library, &request, &why)) {
            fprintf(stderr, "products: %s\n", why.text);
            return 1;
        }
        failed += try_layer(&library, 2304, 384) + try_layer(&library, 384, 192) + try_layer(&library, 40, 24);
        cudnn_library_close(&library);
    }
    return failed > 0;
}
