/* The vector loops of minimal filtering for one filter. vectors_set.h includes this once per filter: FILTER (f4x5, f4x3), M
 * outputs and R weights per dimension, N = M + R - 1 inputs; a vec is LANES neighbouring channels. winograd.h describes the loops
 * and the layouts. */
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define NAME(x) PASTE(FILTER, x)
#define EACH(i, n) _Pragma("GCC unroll 8") for (int i = 0; i < (n); i++)

/* v = B^T d B */
static void NAME(input)(float *const *pixels, int channels, float *v, size_t stride)
{
    for (int c = 0; c < channels; c += LANES) {
        vec half[N][N], x[N], y[N];
        EACH(j, N) {
            EACH(i, N) x[i] = LOAD(pixels[i * N + j] + c);
            NAME(bt)(x, y);
            EACH(i, N) half[i][j] = y[i];
        }
        EACH(i, N) {
            NAME(bt)(half[i], y);
            EACH(j, N) STORE(v + (size_t)(i * N + j) * stride + c, y[j]);
        }
    }
}

/* y = A^T m A + bias; NaN passes through the ReLU, so that it reaches the loss and is seen */
static void NAME(output)(const float *m, size_t stride, int channels, const float *bias, bool relu, float *const *pixels)
{
    for (int c = 0; c < channels; c += LANES) {
        vec half[M][N], x[N], y[M], b = LOAD(bias + c);
        EACH(j, N) {
            EACH(i, N) x[i] = LOAD(m + (size_t)(i * N + j) * stride + c);
            NAME(at)(x, y);
            EACH(i, M) half[i][j] = y[i];
        }
        EACH(i, M) {
            NAME(at)(half[i], y);
            EACH(j, M) {
                y[j] += b;
                STORE(pixels[i * M + j] + c, relu ? (vec)((lanes)y[j] & ~(y[j] < 0)) : y[j]);
            }
        }
    }
}

/* dm = A dy A^T; the bias gradient is summed within a tile, then over tiles */
static void NAME(output_gradient)(float *const *pixels, float *const *outputs, int channels, float *dm, size_t stride,
                                  float *bias)
{
    for (int c = 0; c < channels; c += LANES) {
        vec half[N][M], x[M], y[N], sum = {0};
        EACH(j, M) {
            EACH(i, M) x[i] = LOAD(pixels[i * M + j] + c);
            if (outputs)
                EACH(i, M) x[i] = (vec)((lanes)x[i] & (LOAD(outputs[i * M + j] + c) > 0));
            EACH(i, M) sum += x[i];
            NAME(a)(x, y);
            EACH(i, N) half[i][j] = y[i];
        }
        STORE(bias + c, LOAD(bias + c) + sum);
        EACH(i, N) {
            NAME(a)(half[i], y);
            EACH(j, N) STORE(dm + (size_t)(i * N + j) * stride + c, y[j]);
        }
    }
}

/* dx += B dv B^T */
static void NAME(input_gradient)(const float *dv, size_t stride, int channels, float *const *pixels)
{
    for (int c = 0; c < channels; c += LANES) {
        vec half[N][N], x[N], y[N];
        EACH(j, N) {
            EACH(i, N) x[i] = LOAD(dv + (size_t)(i * N + j) * stride + c);
            NAME(b)(x, y);
            EACH(i, N) half[i][j] = y[i];
        }
        EACH(i, N) {
            NAME(b)(half[i], y);
            EACH(j, N) STORE(pixels[i * N + j] + c, LOAD(pixels[i * N + j] + c) + y[j]);
        }
    }
}

/* u = G g G^T */
static void NAME(weights)(const float *g, size_t g_stride, size_t count, float *u, size_t u_stride)
{
    for (size_t c = 0; c < count; c += LANES) {
        vec half[N][R], x[R], y[N];
        EACH(j, R) {
            EACH(i, R) x[i] = LOAD(g + (size_t)(i * R + j) * g_stride + c);
            NAME(g)(x, y);
            EACH(i, N) half[i][j] = y[i];
        }
        EACH(i, N) {
            NAME(g)(half[i], y);
            EACH(j, N) STORE(u + (size_t)(i * N + j) * u_stride + c, y[j]);
        }
    }
}

/* dg = G^T du G */
static void NAME(weights_gradient)(const float *du, size_t u_stride, size_t count, float *dg, size_t g_stride)
{
    for (size_t c = 0; c < count; c += LANES) {
        vec half[R][N], x[N], y[R];
        EACH(j, N) {
            EACH(i, N) x[i] = LOAD(du + (size_t)(i * N + j) * u_stride + c);
            NAME(gt)(x, y);
            EACH(i, R) half[i][j] = y[i];
        }
        EACH(i, R) {
            NAME(gt)(half[i], y);
            EACH(j, R) STORE(dg + (size_t)(i * R + j) * g_stride + c, y[j]);
        }
    }
}

static const struct winograd_kernels NAME(kernels) = {
    .outputs = M,
    .weights_size = R,
    .input = NAME(input),
    .output = NAME(output),
    .output_gradient = NAME(output_gradient),
    .input_gradient = NAME(input_gradient),
    .weights = NAME(weights),
    .weights_gradient = NAME(weights_gradient),
};

#undef PASTE_
#undef PASTE
#undef NAME
#undef EACH
#undef FILTER
#undef M
#undef R
#undef N
