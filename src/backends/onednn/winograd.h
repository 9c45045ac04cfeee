/* Convolutions of stride 1 by minimal filtering (Winograd): a tile of M x M outputs costs N x N products per pair of
 * channels, N = M + R - 1, instead of M x M x R x R. With d a tile's N x N inputs and g the R x R weights,
 *     y = A^T [ (G g G^T) . (B^T d B) ] A,    summed over the input channels before A is applied,
 * so that each of the N x N points is a matrix product (tiles x channels in) (channels in x channels out). Backward is
 * the exact adjoint:  dm = A dy A^T;  dg = G^T [v^T dm] G;  dd = B [dm u^T] B^T, added where tiles overlap.
 *
 * Limit: intermediate values are larger than the result. So sums overflow at values a hundred times smaller than in a direct
 * convolution; the gradient of the weights at values a thousand times smaller, about 1e34.
 *
 * winograd.c and the vector loops (winograd_kernels.h, vectors.h) share this header. */
#ifndef BACKENDS_WINOGRAD_H
#define BACKENDS_WINOGRAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A tile's pixels are passed as a table of pointers to their channels, row by row. A pixel outside the image points to zeros if
 * it is read, and to a sink if it is written. The points of a transformed tile lie `stride` floats apart; each has all channels, a
 * multiple of 16. */
struct winograd_kernels {
    int outputs, weights_size; /* M, R */
    /* v = B^T d B */
    void (*input)(float *const *pixels, int channels, float *v, size_t stride);
    /* y = A^T m A + bias, with relu max(0, y) */
    void (*output)(const float *m, size_t stride, int channels, const float *bias, bool relu, float *const *pixels);
    /* dm = A dy A^T; with `outputs` (or NULL), dy is cleared where the output was not positive; bias += the sum of dy */
    void (*output_gradient)(float *const *pixels, float *const *outputs, int channels, float *dm, size_t stride,
                            float *bias);
    /* dd += B dv B^T */
    void (*input_gradient)(const float *dv, size_t stride, int channels, float *const *pixels);
    /* u = G g G^T: weights (R x R, count) to (N x N, count); and back, dg = G^T du G. count: number of channel pairs */
    void (*weights)(const float *g, size_t g_stride, size_t count, float *u, size_t u_stride);
    void (*weights_gradient)(const float *du, size_t u_stride, size_t count, float *dg, size_t g_stride);
};

#endif
