/* What the two files of convolutions share: convolution.c and convolution_graph.c. */
#ifndef BACKENDS_CUDNN_CONVOLUTION_H
#define BACKENDS_CUDNN_CONVOLUTION_H

#include "cudnn.h"

/* The tensors of a pass that lie in memory, by their place in it: x or dx, filter or its gradient, y or dy, bias. */
enum tensor { TENSOR_X, TENSOR_FILTER, TENSOR_Y, TENSOR_BIAS, TENSORS };

/* An attribute of a descriptor: `count` values of that type. */
struct attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    const void *values;
};

/* A finalised descriptor with those attributes; NULL with why not. */
cudnnBackendDescriptor_t descriptor_new(cudnnBackendDescriptorType_t type, const struct attribute *attributes,
                                        size_t count, struct error *why);
void descriptor_free(cudnnBackendDescriptor_t descriptor); /* or NULL */

/* A pass as a graph of operations: the graph, and all that it consists of. */
struct pass_graph {
    cudnnBackendDescriptor_t graph, parts[16];
    int part_count;
};

int pass_graph_init(struct pass_graph *graph, const struct convolution *c, enum convolution_pass pass,
                    struct error *why);
void pass_graph_free(struct pass_graph *graph);

#endif
