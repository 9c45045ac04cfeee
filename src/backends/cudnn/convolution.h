/* What the files of convolutions share: convolution.c and convolution_*.c. */
#ifndef BACKENDS_CUDNN_CONVOLUTION_H
#define BACKENDS_CUDNN_CONVOLUTION_H

#include "cudnn.h"

/* The tensors of a pass that lie in memory, by their place in it: x or dx, filter or its gradient, y or dy, bias. */
enum convolution_tensor { TENSOR_X, TENSOR_FILTER, TENSOR_Y, TENSOR_BIAS, TENSORS };

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

/* What a convolution owns beside its engines. */
struct passes {
    struct pass_graph graphs[PASSES];
    /* Where the tensors of a pass lie, as cuDNN takes it: made anew where one of them lies elsewhere than in the run before. */
    cudnnBackendDescriptor_t packs[PASSES];
    void *places[PASSES][TENSORS];
};

extern const char *const pass_texts[PASSES]; /* "gradient of the input" */

/* The number of the engine that computes any convolution, a value at a time. */
enum { GENERIC = 0 };

/* convolution_engines.c: plans the engines that fit a pass into c->engines; -1 where there are none. */
int engines_find(struct convolution *c, enum convolution_pass pass, struct error *why);
void engine_free(struct engine *engine);

/* convolution.c: the pass's pack for tensors that lie there; and one execution by engine i on that pack. */
int pack_follow(struct convolution *c, enum convolution_pass pass, const struct convolution_memory *memory, struct error *why);
int engine_run(const struct convolution *c, enum convolution_pass pass, int i, struct error *why);

/* convolution_check.c: some values of an engine's output, as floats. */
enum { SAMPLE = 8192 };
/* x, filter and dy get numbers to compute with; and all tensors are zeroed again. */
int numbers_fill(const struct convolution *c, const struct convolution_memory *memory, struct error *why);
int numbers_clear(const struct convolution *c, const struct convolution_memory *memory, struct error *why);
/* Runs engine i once, on the pass's pack; memory: the same that the pack was made for. sample (SAMPLE): zeroed. */
int engine_sample(const struct convolution *c, enum convolution_pass pass, int i, const struct convolution_memory *memory,
                  float *sample, struct error *why);
/* As far as the precision allows; a sample that is not finite does not agree with itself. */
bool samples_agree(const struct convolution *c, const float *a, const float *b);

#endif
