/* The onednn backend, one file per kind of layer. Activations are NHWC. Convolutions use the library, with weights in its own
 * layout, or our Winograd loops; dense layers use the library's sgemm on the flat buffers; pools and norms use our own loops. */
#ifndef BACKENDS_ONEDNN_H
#define BACKENDS_ONEDNN_H

#include "../host.h"
#include "vectors.h"
#include "versions.h"

/* ---- primitive.c: use of the library's primitives ---- */

/* What all operations of a plan share. */
struct onednn_library {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    const struct vector_set *vectors; /* the loops to use */
};

enum { ARGUMENTS_MAX = 8 };

/* A primitive with its arguments. A zeroed one is empty. */
struct primitive {
    char about[96]; /* what it computes and its shape, for error messages */
    const struct onednn_library *library;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t handle;
    dnnl_exec_arg_t arguments[ARGUMENTS_MAX];
    void *owned[ARGUMENTS_MAX]; /* memory allocated for an argument, or NULL */
    int count;
};

/* 0 for dnnl_success, else -1 with "oneDNN: <about>: <what failed>: <status>". */
int onednn_check(dnnl_status_t status, const char *about, const char *what, struct error *why);
int onednn_open(struct onednn_library *library, struct error *why);
void onednn_close(struct onednn_library *library);

/* Makes a layout of floats in that order. The caller frees it; layout_free also takes NULL. */
int layout_new(layout *made, int rank, const dnnl_dims_t shape, dnnl_format_tag_t order, const char *about,
               struct error *why);
void layout_free(layout made);

/* The attributes of every primitive: the caller provides the scratchpad; with relu, the result is max(0, .). The caller destroys
 * them. */
int primitive_attributes(dnnl_primitive_attr_t *attributes, bool relu, const char *about, struct error *why);
/* Makes the primitive from its descriptor and allocates its scratchpad; about, library and desc must be set. */
int primitive_init(struct primitive *primitive, struct error *why);
/* Makes a primitive that copies from one layout to another; about must be set. */
int primitive_init_reorder(struct primitive *primitive, const struct onednn_library *library, const_layout from,
                           const_layout to, struct error *why);
/* The layout that the primitive wants for an argument (query: dnnl_query_src_md, ...). The primitive owns it. */
const_layout primitive_wants(const struct primitive *primitive, dnnl_query_t query);
/* Binds an argument to the memory at `data`; NULL: to zeroed memory that it allocates. */
int primitive_bind(struct primitive *primitive, int argument, const_layout shape, const void *data, struct error *why);
/* Points a bound argument at other data of the same layout. */
int primitive_point(struct primitive *primitive, int argument, const void *data, struct error *why);
/* The data of a bound argument. */
float *primitive_data(const struct primitive *primitive, int argument);
int primitive_run(const struct primitive *primitive, struct error *why);
void primitive_free(struct primitive *primitive);

/* ---- operations ---- */

static inline const struct onednn_library *library_of(const struct host_operation *operation)
{
    return operation->backend;
}

extern const struct host_kind onednn_convolution, onednn_dense, onednn_max_pool, onednn_lrn;

/* A convolution and the max pool that follows it, if the gradient of their input is not needed. */
extern const struct host_kind onednn_convolution_pool;

/* convolution.c: a primitive that reads weights in the library's layout, and the copy that brings them from the flat buffer; or a
 * primitive that computes their gradient in that layout, and the copy that brings it to the flat buffer. */
struct weighted {
    struct primitive primitive, copy;
};
/* Makes the convolution of o->batch images from o->x to o->y; the address of the biases is set later. */
int weighted_init_forward(struct weighted *weighted, const struct host_operation *o, bool relu, struct error *why);
int weighted_take(struct weighted *weighted, const float *weights, struct error *why); /* HWIO */
void weighted_free(struct weighted *weighted);

/* pool.c: the longest side of a window, whose places then fit a byte. */
enum { ONEDNN_POOL_MAX = 15 };

/* Pools one image. places (out): the maximum's place in its window, ky * kernel + kx; of equal values, the first. */
void pool_image_forward(const struct vector_set *vectors, const struct net_layer *l, const float *image, float *y,
                        uint8_t *places);
int pool_places_new(uint8_t **places, const struct net_layer *l, int batch, struct error *why);

/* winograd.c: convolutions by minimal filtering, and whether they can compute that layer. */
extern const struct host_kind onednn_winograd;
bool winograd_applies(const struct net_layer *layer);

/* pointwise.c. */
void bias_relu_forward(float *y, const float *bias, bool relu, size_t rows, size_t channels);
void relu_backward(float *dy, const float *y, size_t count); /* dy = 0 where y = 0 */
void bias_gradient(float *sums, const float *dy, size_t rows, size_t channels);

#endif
