/* The onednn backend: activations NHWC, convolutions by the library with weights in its own layout, dense layers by
 * its sgemm on the flat buffers, pools and norms by loops of our own. A file an operation. */
#ifndef BACKENDS_ONEDNN_H
#define BACKENDS_ONEDNN_H

#include "../host.h"
#include "vectors.h"
#include "versions.h"

/* ---- primitive.c: what every use of the library's primitives needs ---- */

/* What all operations of a plan share. */
struct onednn_library {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    const struct vector_set *vectors; /* the loops to use */
};

enum { ARGUMENTS_MAX = 8 };

/* A primitive with its arguments. Zeroed, it is none. */
struct primitive {
    char about[96]; /* what it computes and of which shape: begins the sentence of a failure */
    const struct onednn_library *library;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t handle;
    dnnl_exec_arg_t arguments[ARGUMENTS_MAX];
    void *owned[ARGUMENTS_MAX]; /* memory that was taken for an argument, or NULL */
    int count;
};

/* 0 for dnnl_success, else -1 with "oneDNN: <about>: <what failed>: <status>". */
int onednn_check(dnnl_status_t status, const char *about, const char *what, struct error *why);
int onednn_open(struct onednn_library *library, struct error *why);
void onednn_close(struct onednn_library *library);

/* A layout of floats in that order; its owner frees it, NULL included. */
int layout_new(layout *made, int rank, const dnnl_dims_t shape, dnnl_format_tag_t order, const char *about,
               struct error *why);
void layout_free(layout made);

/* The attributes of every primitive: a scratchpad of the caller's; with relu, max(0, .) of the result. The caller
 * destroys them. */
int primitive_attributes(dnnl_primitive_attr_t *attributes, bool relu, const char *about, struct error *why);
/* Makes the primitive of its descriptor (about, library, desc: set before) and takes its scratchpad. */
int primitive_init(struct primitive *primitive, struct error *why);
/* Makes a copy from one layout to another (about: set before). */
int primitive_init_reorder(struct primitive *primitive, const struct onednn_library *library, const_layout from,
                           const_layout to, struct error *why);
/* The layout that the primitive wants for an argument (query: dnnl_query_src_md, ...); the primitive's own. */
const_layout primitive_wants(const struct primitive *primitive, dnnl_query_t query);
/* Binds an argument to memory at `data`, or takes zeroed memory for it where data is NULL. */
int primitive_bind(struct primitive *primitive, int argument, const_layout shape, const void *data, struct error *why);
/* Points an argument that is bound at other data of the same layout. */
int primitive_point(struct primitive *primitive, int argument, const void *data, struct error *why);
/* The data of an argument that is bound. */
float *primitive_data(const struct primitive *primitive, int argument);
int primitive_run(const struct primitive *primitive, struct error *why);
void primitive_free(struct primitive *primitive);

/* ---- operations ---- */

static inline const struct onednn_library *onednn_library(const struct host_operation *operation)
{
    return operation->backend;
}

extern const struct host_kind onednn_convolution, onednn_dense, onednn_max_pool, onednn_lrn;

/* A convolution and the max pool behind it, where nobody wants the gradient of its input. */
extern const struct host_kind onednn_convolution_pool;

/* convolution.c: a primitive whose weights (or their gradient) are in the library's layout, and the copy of them
 * from (to) the flat buffer. */
struct weighted {
    struct primitive primitive, copy;
};
/* The convolution of o->batch images from o->x to o->y, with its bias at any place yet. */
int weighted_init_forward(struct weighted *weighted, const struct host_operation *o, bool relu, struct error *why);
int weighted_take(struct weighted *weighted, const float *weights, struct error *why); /* HWIO */
void weighted_free(struct weighted *weighted);

/* pool.c: the largest window of a pool; its places fit a byte. */
enum { ONEDNN_POOL_MAX = 15 };

/* One image; places (out): where in the window the maximum is, ky * kernel + kx, the first of equals. */
void pool_image_forward(const struct vector_set *vectors, const struct net_layer *l, const float *image, float *y,
                        uint8_t *places);
int pool_places_new(uint8_t **places, const struct net_layer *l, int batch, struct error *why);

/* Convolutions by minimal filtering (winograd.c), for those it applies to. */
extern const struct host_kind onednn_winograd;
bool winograd_applies(const struct net_layer *layer);

/* pointwise.c. */
void bias_relu_forward(float *y, const float *bias, bool relu, size_t rows, size_t channels);
void relu_forward(float *y, size_t count);
void relu_backward(float *dy, const float *y, size_t count); /* dy = 0 where y = 0 */
void bias_gradient(float *sums, const float *dy, size_t rows, size_t channels);

#endif
