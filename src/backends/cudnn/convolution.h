/* What convolution.c and convolution_*.c share. */
#ifndef BACKENDS_CUDNN_CONVOLUTION_H
#define BACKENDS_CUDNN_CONVOLUTION_H

#include "cudnn.h"

/* The tensors of a pass that lie in memory: x or dx, filter or its gradient, y or dy, bias. */
enum convolution_tensor { TENSOR_X, TENSOR_FILTER, TENSOR_Y, TENSOR_BIAS, TENSORS };

/* An attribute of a descriptor: `count` values of that type. */
struct descriptor_attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    const void *values;
};

/* Makes a finalised descriptor with those attributes; NULL on failure, with the reason. */
cudnnBackendDescriptor_t descriptor_new(cudnnBackendDescriptorType_t type, const struct descriptor_attribute *attributes,
                                        size_t count, struct error *why);
void descriptor_free(cudnnBackendDescriptor_t descriptor); /* takes NULL too */

/* A pass as a graph of operations: the graph and all its parts. */
struct pass_graph {
    cudnnBackendDescriptor_t graph, parts[16];
    int part_count;
};

int pass_graph_init(struct pass_graph *graph, const struct cudnn_convolution *c, enum convolution_pass pass,
                    struct error *why);
void pass_graph_free(struct pass_graph *graph);

/* What a convolution owns besides its engines. */
struct passes {
    struct pass_graph graphs[PASSES];
    /* The addresses of a pass's tensors, as cuDNN wants them; remade when one differs from the previous run's. */
    cudnnBackendDescriptor_t packs[PASSES];
    void *places[PASSES][TENSORS];
};

extern const char *const pass_texts[PASSES]; /* "gradient of the input" */

/* The number of the engine that can compute any convolution, one value at a time. */
enum { GENERIC = 0 };

/* convolution_engines.c: finds the engines that fit a pass and plans them, in c->engines; -1 if there are none. */
int engines_find(struct cudnn_convolution *c, enum convolution_pass pass, struct error *why);
void engine_free(struct engine *engine);

/* convolution.c: makes the pass's pack for tensors at these addresses; runs engine i once on that pack. */
int pack_follow(struct cudnn_convolution *c, enum convolution_pass pass, const struct convolution_memory *memory,
                struct error *why);
int engine_run(const struct cudnn_convolution *c, enum convolution_pass pass, int i, struct error *why);

/* convolution_check.c. SAMPLE: how many values of an engine's output are compared, as floats. */
enum { SAMPLE = 8192 };
/* numbers_fill writes test numbers to x, filter and dy; numbers_clear zeroes all tensors. */
int numbers_fill(const struct cudnn_convolution *c, const struct convolution_memory *memory, struct error *why);
int numbers_clear(const struct cudnn_convolution *c, const struct convolution_memory *memory, struct error *why);
/* Runs engine i once, on the pass's pack and the memory it was made for. sample (SAMPLE) must be zeroed before. */
int engine_sample(const struct cudnn_convolution *c, enum convolution_pass pass, int i, const struct convolution_memory *memory,
                  float *sample, struct error *why);
/* Whether two samples agree as far as the precision allows. A sample that is not finite does not even agree with itself. */
bool samples_agree(const struct cudnn_convolution *c, const float *a, const float *b);

#endif
