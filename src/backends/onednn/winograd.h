/* Convolutions of stride 1 by minimal filtering (Winograd): tiles of M x M outputs cost N x N products a pair of channels,
 * N = M + R - 1, instead of M x M x R x R. With d a tile's N x N inputs and g the R x R weights,
 *     y = A^T [ (G g G^T) . (B^T d B) ] A,    summed over the input channels before A is applied,
 * so that each of the N x N points is a matrix product (tiles x channels in) (channels in x channels out). Backward is
 * the exact adjoint:  dm = A dy A^T;  dg = G^T [v^T dm] G;  dd = B [dm u^T] B^T, added where tiles overlap.
 *
 * Limit: what lies between the transforms is larger than the result, so that sums overflow at values some hundred times
 * (the weights' gradient: a thousand times) smaller than direct ones do, from about 1e34 on.
 *
 * This header is what winograd.c and the vector loops (winograd_kernels.h; vectors.h) share. */
#ifndef BACKENDS_WINOGRAD_H
#define BACKENDS_WINOGRAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The pixels of a tile come as a table of pointers to their channels, row by row; those that lie outside the image point
 * to zeros where they are read, to a sink where they are written. A transformed tile has its points `stride` floats
 * apart, each with all channels (multiples of 16). */
struct winograd_kernels {
    int outputs, weights_size; /* M, R */
    /* v = B^T d B */
    void (*input)(float *const *pixels, int channels, float *v, size_t stride);
    /* y = A^T m A + bias, with relu max(0, y) */
    void (*output)(const float *m, size_t stride, int channels, const float *bias, bool relu, float *const *pixels);
    /* dm = A dy A^T, with `outputs` (else NULL) dy cleared where the output was not positive; bias += the sum of dy */
    void (*output_gradient)(float *const *pixels, float *const *outputs, int channels, float *dm, size_t stride,
                            float *bias);
    /* dd += B dv B^T */
    void (*input_gradient)(const float *dv, size_t stride, int channels, float *const *pixels);
    /* u = G g G^T: weights (R x R, count) to (N x N, count), and back dg = G^T du G; count: of channel pairs */
    void (*weights)(const float *g, size_t g_stride, size_t count, float *u, size_t u_stride);
    void (*weights_gradient)(const float *du, size_t u_stride, size_t count, float *dg, size_t g_stride);
};

#endif
