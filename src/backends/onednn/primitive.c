#include <dnnl_debug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

int onednn_check(dnnl_status_t status, const char *about, const char *what, struct error *why)
{
    if (status == dnnl_success)
        return 0;
    return error_set(why, "oneDNN: %s: %s: %s", about, what, dnnl_status2str(status));
}

int onednn_open(struct onednn_library *library, struct error *why)
{
    library->vectors = vector_set_at(0);
    if (onednn_check(dnnl_engine_create(&library->engine, dnnl_cpu, 0), "the CPU", "engine", why))
        return -1;
    return onednn_check(dnnl_stream_create(&library->stream, library->engine, dnnl_stream_default_flags), "the CPU",
                         "stream", why);
}

void onednn_close(struct onednn_library *library)
{
    if (library->stream)
        dnnl_stream_destroy(library->stream);
    if (library->engine)
        dnnl_engine_destroy(library->engine);
    memset(library, 0, sizeof *library);
}

int layout_new(layout *made, int rank, const dnnl_dims_t shape, dnnl_format_tag_t order, const char *about,
               struct error *why)
{
    return onednn_check(dnnl_memory_desc_create_with_tag(made, rank, shape, dnnl_f32, order), about, "layout", why);
}

void layout_free(layout made)
{
    if (made)
        dnnl_memory_desc_destroy(made);
}

static dnnl_status_t add_relu(dnnl_primitive_attr_t attributes)
{
    dnnl_post_ops_t post = NULL;
    dnnl_status_t status = dnnl_post_ops_create(&post);
    if (status == dnnl_success)
        status = dnnl_post_ops_append_eltwise(post, dnnl_eltwise_relu, 0, 0);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(attributes, post);
    if (post)
        dnnl_post_ops_destroy(post);
    return status;
}

int primitive_attributes(dnnl_primitive_attr_t *attributes, bool relu, const char *about, struct error *why)
{
    dnnl_status_t status = dnnl_primitive_attr_create(attributes);
    if (status != dnnl_success)
        return onednn_check(status, about, "attributes", why);
    status = dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user); /* a step allocates nothing */
    if (status == dnnl_success && relu)
        status = add_relu(*attributes);
    if (status == dnnl_success)
        return 0;
    dnnl_primitive_attr_destroy(*attributes);
    return onednn_check(status, about, "attributes", why);
}

const_layout primitive_wants(const struct primitive *p, dnnl_query_t query)
{
    return dnnl_primitive_desc_query_md(p->desc, query, 0);
}

int primitive_init(struct primitive *p, struct error *why)
{
    if (onednn_check(dnnl_primitive_create(&p->handle, p->desc), p->about, "primitive", why))
        return -1;
    const_layout scratchpad = primitive_wants(p, dnnl_query_scratchpad_md);
    if (!scratchpad || dnnl_memory_desc_get_size(scratchpad) == 0)
        return 0;
    return primitive_bind(p, DNNL_ARG_SCRATCHPAD, scratchpad, NULL, why);
}

int primitive_init_reorder(struct primitive *p, const struct onednn_library *library, const_layout from, const_layout to,
                           struct error *why)
{
    p->library = library;
    if (onednn_check(dnnl_reorder_primitive_desc_create(&p->desc, from, library->engine, to, library->engine, NULL),
                      p->about, "reorder", why))
        return -1;
    return primitive_init(p, why);
}

int primitive_bind(struct primitive *p, int argument, const_layout shape, const void *data, struct error *why)
{
    if (p->count == ARGUMENTS_MAX)
        return error_set(why, "oneDNN: %s: more than %d arguments", p->about, ARGUMENTS_MAX);
    void *owned = data ? NULL : memory_new(dnnl_memory_desc_get_size(shape), 1, p->about, why);
    if (!data && !owned)
        return -1;
    dnnl_memory_t memory = NULL;
    dnnl_status_t status = dnnl_memory_create(&memory, shape, p->library->engine, data ? (void *)data : owned);
    if (status != dnnl_success) {
        free(owned);
        return onednn_check(status, p->about, "memory of an argument", why);
    }
    p->arguments[p->count] = (dnnl_exec_arg_t){argument, memory};
    p->owned[p->count++] = owned;
    return 0;
}

static dnnl_memory_t memory_of(const struct primitive *p, int argument)
{
    for (int i = 0; i < p->count; i++)
        if (p->arguments[i].arg == argument)
            return p->arguments[i].memory;
    return NULL;
}

int primitive_point(struct primitive *p, int argument, const void *data, struct error *why)
{
    return onednn_check(dnnl_memory_set_data_handle(memory_of(p, argument), (void *)data), p->about,
                         "data of an argument", why);
}

float *primitive_data(const struct primitive *p, int argument)
{
    void *data = NULL;
    return dnnl_memory_get_data_handle(memory_of(p, argument), &data) == dnnl_success ? data : NULL;
}

int primitive_run(const struct primitive *p, struct error *why)
{
    if (onednn_check(dnnl_primitive_execute(p->handle, p->library->stream, p->count, p->arguments), p->about,
                      "execution", why))
        return -1;
    return onednn_check(dnnl_stream_wait(p->library->stream), p->about, "execution", why);
}

void primitive_free(struct primitive *p)
{
    for (int i = 0; i < p->count; i++) {
        dnnl_memory_destroy(p->arguments[i].memory);
        free(p->owned[i]);
    }
    if (p->handle)
        dnnl_primitive_destroy(p->handle);
    if (p->desc)
        dnnl_primitive_desc_destroy(p->desc);
    memset(p, 0, sizeof *p);
}
