/* Inside the referee's cuDNN. Descriptors are sets of attributes with rules (cudnn.c, cudnn_rules.c), graphs are recognised as
 * one of the passes of a convolution (cudnn_graph.c), engines are a small table (cudnn_engines.c), and cudnn_compute.c
 * computes. */
#ifndef FAKE_CUDNN_H
#define FAKE_CUDNN_H

#include <cudnn_graph.h>
#include <stdbool.h>
#include <stdint.h>

enum pass { FORWARD, INPUT_GRADIENT, WEIGHTS_GRADIENT };
enum place { PLACE_X, PLACE_W, PLACE_Y, PLACE_BIAS, PLACES }; /* x or its gradient, and so on */

/* What a graph computes, if it is known here: activations NHWC, filters KRSC, one type. */
struct convolution {
    enum pass pass;
    int64_t n, c, h, w, k, r, s, p, q; /* x (n,h,w,c), filter (k,r,s,c), y (n,p,q,k) */
    int64_t pad[2], stride[2];
    bool half, bias, relu, keeps_nan;
    int64_t uids[PLACES], alignments[PLACES];
};

struct value {
    int64_t count; /* 0: not set */
    void *elements;
};

enum { VALUES_MAX = 8 };

struct descriptor {
    const struct kind *kind;
    bool finalized;
    struct value values[VALUES_MAX]; /* by the kind's rules */
    bool known;                      /* graphs and what is made of them: `convolution` is set */
    struct convolution convolution;
    int engine;                      /* configurations, engines, plans: the index of the engine in the table */
    struct descriptor *graph, *config, *of; /* what it is made of, which must exist while it is used; of: an engine */
};

struct rule {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t least, most; /* elements */
    bool required;       /* must be set before it is finalised */
};

/* cuDNN 9.19's statuses for a mistake, which differ between kinds of descriptors. */
struct answers {
    cudnnStatus_t unknown, type, count; /* an unknown attribute, a wrong type, a wrong number of elements */
    cudnnStatus_t null;                 /* a descriptor among the elements is NULL; CUDNN_STATUS_SUCCESS: it counts as not set */
    cudnnStatus_t open;                 /* one is not finalised when this one is; CUDNN_STATUS_SUCCESS: not checked */
    bool at_once;                       /* `open` is checked when the attribute is set */
};

struct kind {
    cudnnBackendDescriptorType_t type;
    const char *name;
    struct rule rules[VALUES_MAX];
    cudnnStatus_t (*finalize)(struct descriptor *d); /* all required attributes are set */
    const struct answers *answers;
};

/* cudnn_rules.c */
const struct kind *kind_find(cudnnBackendDescriptorType_t type);
const struct value *value_find(const struct descriptor *d, cudnnBackendAttributeName_t name);
bool is_operation(const struct descriptor *d);
/* The single element of an attribute; `otherwise` if it is not set. */
int64_t value_number(const struct descriptor *d, cudnnBackendAttributeName_t name, int64_t otherwise);
int value_choice(const struct descriptor *d, cudnnBackendAttributeName_t name, int otherwise);
struct descriptor *value_descriptor(const struct descriptor *d, cudnnBackendAttributeName_t name);

/* cudnn.c: keeps the message for cudnnGetLastErrorString, and returns the status. */
cudnnStatus_t refuse(cudnnStatus_t status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* cudnn_graph.c */
cudnnStatus_t tensor_finalize(struct descriptor *d);
cudnnStatus_t windows_finalize(struct descriptor *d);
cudnnStatus_t convolution_finalize(struct descriptor *d);
cudnnStatus_t pointwise_finalize(struct descriptor *d);
cudnnStatus_t graph_finalize(struct descriptor *d);

/* cudnn_engines.c */
cudnnStatus_t heuristic_finalize(struct descriptor *d);
cudnnStatus_t engine_finalize(struct descriptor *d);
cudnnStatus_t config_finalize(struct descriptor *d);
cudnnStatus_t plan_finalize(struct descriptor *d);
cudnnStatus_t pack_finalize(struct descriptor *d);
cudnnStatus_t properties_finalize(struct descriptor *d);
/* cudnnBackendGetAttribute of a finalised descriptor. */
cudnnStatus_t attribute_get(struct descriptor *d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                            int64_t room, int64_t *count, void *elements);
int64_t plan_workspace(const struct descriptor *plan);

/* How an engine computes. */
struct manner {
    bool tensor_cores;  /* float factors rounded to TF32 */
    bool down_converts; /* factors rounded to bfloat16 */
    bool random_order;  /* the order of sums is random: not deterministic */
    bool fails;         /* fails when it runs, and leaves a CUDA error */
    bool waits;         /* waits for the stream, so it cannot be captured */
    bool hasty;         /* takes half the time, and leaves out the last image */
};
const struct manner *engine_manner(int engine);

/* cudnn_compute.c: the work of one execution. */
struct work {
    struct convolution convolution;
    struct manner manner;
    void *places[PLACES], *workspace;
    int64_t workspace_bytes;
};
int64_t place_bytes(const struct convolution *c, enum place place);
void work_run(const void *work);
extern const char *const pass_names[]; /* by enum pass */

#endif
