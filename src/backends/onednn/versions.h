/* oneDNN 2 and 3. The backend is written for version 3; for version 2, this header defines the missing functions by means of those
 * of version 2. A layout is a memory descriptor as in version 3: a handle that its owner destroys. */
#ifndef BACKENDS_ONEDNN_VERSIONS_H
#define BACKENDS_ONEDNN_VERSIONS_H

#include <dnnl.h>

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t layout;
typedef const_dnnl_memory_desc_t const_layout;

#else

#include <stdlib.h>

typedef dnnl_memory_desc_t *layout;
typedef const dnnl_memory_desc_t *const_layout;

static inline dnnl_status_t dnnl_memory_desc_create_with_tag(layout *l, int rank, const dnnl_dims_t shape, dnnl_data_type_t type,
                                                             dnnl_format_tag_t tag)
{
    if (!(*l = malloc(sizeof **l)))
        return dnnl_out_of_memory;
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(*l, rank, shape, type, tag);
    if (status != dnnl_success) {
        free(*l);
        *l = NULL;
    }
    return status;
}

static inline dnnl_status_t dnnl_memory_desc_destroy(layout l)
{
    free(l);
    return dnnl_success;
}

static inline dnnl_status_t dnnl_convolution_forward_primitive_desc_create(
    dnnl_primitive_desc_t *desc, dnnl_engine_t engine, dnnl_prop_kind_t kind, dnnl_alg_kind_t algorithm, const_layout x,
    const_layout weights, const_layout bias, const_layout y, const dnnl_dims_t strides, const dnnl_dims_t dilates,
    const dnnl_dims_t before, const dnnl_dims_t after, const_dnnl_primitive_attr_t attributes)
{
    dnnl_convolution_desc_t c;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(&c, kind, algorithm, x, weights, bias, y, strides,
                                                                      dilates, before, after);
    return status == dnnl_success ? dnnl_primitive_desc_create(desc, &c, attributes, engine, NULL) : status;
}

static inline dnnl_status_t dnnl_convolution_backward_data_primitive_desc_create(
    dnnl_primitive_desc_t *desc, dnnl_engine_t engine, dnnl_alg_kind_t algorithm, const_layout dx, const_layout weights,
    const_layout dy, const dnnl_dims_t strides, const dnnl_dims_t dilates, const dnnl_dims_t before, const dnnl_dims_t after,
    const_dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attributes)
{
    dnnl_convolution_desc_t c;
    dnnl_status_t status = dnnl_dilated_convolution_backward_data_desc_init(&c, algorithm, dx, weights, dy, strides, dilates,
                                                                            before, after);
    return status == dnnl_success ? dnnl_primitive_desc_create(desc, &c, attributes, engine, forward) : status;
}

static inline dnnl_status_t dnnl_convolution_backward_weights_primitive_desc_create(
    dnnl_primitive_desc_t *desc, dnnl_engine_t engine, dnnl_alg_kind_t algorithm, const_layout x, const_layout dw,
    const_layout db, const_layout dy, const dnnl_dims_t strides, const dnnl_dims_t dilates, const dnnl_dims_t before,
    const dnnl_dims_t after, const_dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attributes)
{
    dnnl_convolution_desc_t c;
    dnnl_status_t status = dnnl_dilated_convolution_backward_weights_desc_init(&c, algorithm, x, dw, db, dy, strides, dilates,
                                                                               before, after);
    return status == dnnl_success ? dnnl_primitive_desc_create(desc, &c, attributes, engine, forward) : status;
}

/* Both versions have this function, but version 2 also takes a scale. */
#define dnnl_post_ops_append_eltwise(ops, algorithm, alpha, beta) dnnl_post_ops_append_eltwise(ops, 1, algorithm, alpha, beta)

#endif

#endif
