/* The cudnn backend: activations NHWC in the plan's precision, convolutions by cuDNN's graph API with filters (K,R,S,C), dense
 * layers by cublasLt on the flat buffers, the rest by kernels of our own (kernels.h). All work is enqueued on the library's
 * stream. One shared module: it alone includes and links CUDA's libraries, and nothing of it is linked into the program. */
#ifndef BACKENDS_CUDNN_H
#define BACKENDS_CUDNN_H

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include "backend.h"
#include "kernels.h"

/* What a stream's capture has come to: its number, and the nodes that the next work comes behind. Their edges are asked for too,
 * though nobody reads them: without that the call fails where a library left an edge that is no full wait. */
#if CUDART_VERSION >= 13000
#define CAPTURE_INFO(stream, status, number, nodes, edges, count)                                                      \
    cudaStreamGetCaptureInfo((stream), (status), (number), NULL, (nodes), (edges), (count))
#elif CUDART_VERSION >= 12030
#define CAPTURE_INFO(stream, status, number, nodes, edges, count)                                                      \
    cudaStreamGetCaptureInfo_v3((stream), (status), (number), NULL, (nodes), (edges), (count))
#else
#define CAPTURE_INFO(stream, status, number, nodes, edges, count)                                                      \
    (*(edges) = NULL, cudaStreamGetCaptureInfo_v2((stream), (status), (number), NULL, (nodes), (count)))
#endif

/* ---- check.c: every status; -1 with "CUDA: <call> at <file>:<line>: <what it says>" and the device ---- */

/* What the others end in: status in words, and what may help. */
int check_failed(const char *library, const char *call, const char *place, const char *status, const char *hint,
                 struct error *why);
int check_cuda(cudaError_t status, const char *call, const char *place, struct error *why);
int check_cudnn(cudnnStatus_t status, const char *call, const char *place, struct error *why);
int check_cublas(cublasStatus_t status, const char *call, const char *place, struct error *why);

#define PLACE_TEXT(line) #line
#define PLACE_LINE(line) PLACE_TEXT(line)
#define PLACE __FILE__ ":" PLACE_LINE(__LINE__)
#define CUDA(call, why) check_cuda((call), #call, PLACE, (why))
#define CUDNN(call, why) check_cudnn((call), #call, PLACE, (why))
#define CUBLAS(call, why) check_cublas((call), #call, PLACE, (why))

/* ---- library.c: what one plan's work goes through ---- */

/* The one piece of work that the next on a captured stream comes behind. */
struct captured_last {
    unsigned long long capture; /* its number; 0: none, or several */
    cudaGraphNode_t node;
};

struct cudnn_library {
    cudaStream_t stream, beside; /* the work; what runs beside it: cudnn_library_fork, cudnn_library_join */
    cudaEvent_t forked, joined;
    bool is_forked; /* since the last cudnn_library_join */
    cudnnHandle_t cudnn;
    cublasLtHandle_t cublas;
    cudnnBackendDescriptor_t properties; /* of a device that is not there: plans are made, and cannot run (tests). Else NULL */
    enum precision precision;
    bool deterministic;
    size_t workspace_limit; /* bytes, of one operation */
    void *workspace;        /* workspace_bytes, shared by all operations: they run one after another */
    size_t workspace_bytes;
    bool overlap;                  /* the kernels wait themselves for the one before them: it may still run when they are started */
    struct captured_last launched; /* our own last kernel, in a capture */
};

/* The workspace that an operation may have: `image` bytes an image, and `least` at least. */
struct workspace_need {
    size_t least, image;
};
struct workspace_need workspace_need_of(const struct plan_request *request);
size_t workspace_limit(const struct plan_request *request); /* for its batch */

int cudnn_library_open(struct cudnn_library *library, const struct plan_request *request, struct error *why);
void cudnn_library_close(struct cudnn_library *library);
/* What is enqueued on `beside` from now on waits for the work so far; and the work from now on waits for all of `beside`, where
 * anything was forked. */
int cudnn_library_fork(struct cudnn_library *library, struct error *why);
int cudnn_library_join(struct cudnn_library *library, struct error *why);
/* Raises workspace_bytes, before the workspace is taken. */
void cudnn_library_wants(struct cudnn_library *library, size_t bytes);
int cudnn_library_take_workspace(struct cudnn_library *library, struct error *why);

/* Bytes of an activation's element. */
size_t element_bytes(enum precision precision);

/* ---- graph.c ---- */

/* Ends the stream's capture. *exec: what was recorded, to be launched; exec NULL: it is dropped. */
int graph_end(cudaStream_t stream, cudaGraphExec_t *exec, struct error *why);
void graph_free(cudaGraphExec_t *graph); /* or NULL in it; NULL is left there */

/* ---- memory.c ---- */

enum { DEVICE_ALIGNMENT = 256 }; /* bytes, of what cudaMalloc gives */

/* Zeroed device memory; a failure says how much was asked for and how much is free. */
void *device_new(size_t bytes, const char *what, struct error *why);
void device_free(void *memory);
/* The backend's (struct backend). */
float *cudnn_allocate(size_t count, const char *what, struct error *why);
void cudnn_free(float *memory);
int cudnn_upload(float *to, const float *from, size_t count, struct error *why);
int cudnn_download(float *to, const float *from, size_t count, struct error *why);

/* ---- launch.c: the kernels of our own ---- */

#define KERNEL_NUMBER(name, threads, phases) KERNEL_##name,
enum kernel { KERNELS(KERNEL_NUMBER) KERNEL_COUNT };
#undef KERNEL_NUMBER

/* Whether they wait themselves for the work before them, as the device's code was compiled. */
int kernels_overlap(bool *overlap, struct error *why);
/* Enqueues it in so many blocks. arguments: its struct <name>_arguments. */
int kernel_launch(struct cudnn_library *library, enum kernel kernel, size_t blocks, const void *arguments,
                  struct error *why);
/* The add kernel: y = a + b, then the ReLU. */
int kernel_add_values(struct cudnn_library *library, const void *a, const void *b, void *y, size_t values, bool half, bool relu,
                      struct error *why);
/* The convert kernel: rows of x, float or bfloat16, into rows of y. */
int kernel_convert_rows(struct cudnn_library *library, const void *x, int x_channels, bool x_half, void *y, int y_channels,
                        bool y_half, size_t rows, struct error *why);
/* The blocks of a grid-stride kernel over so many elements. */
size_t kernel_blocks(enum kernel kernel, size_t elements);

/* ---- a layer: what it has ---- */

static inline bool has_relu(const struct net_layer *l)
{
    return l->layer.activation == ACTIVATION_RELU;
}

static inline bool has_bias(const struct net_layer *l)
{
    return l->biases;
}

/* Its weights and biases have gradients. */
static inline bool is_trained(const struct net_layer *l)
{
    return l->weights && l->weights->role == TENSOR_TRAINED;
}

/* ---- convolution*.c: cuDNN's graph API ---- */

enum convolution_pass { PASS_FORWARD, PASS_INPUT, PASS_WEIGHTS, PASSES };

/* One of the plans that cuDNN offers for a pass. */
struct engine {
    cudnnBackendDescriptor_t engine, config, plan; /* finalised; engine: NULL where a heuristic gave the configuration */
    int64_t number;
    size_t workspace;
    unsigned notes; /* a bit each, 1 << CUDNN_NUMERICAL_NOTE_* */
    char name[64];  /* "engine 44, tensor cores, not deterministic": for the log */
};

enum { ENGINES_MAX = 40 };

/* Engines of a pass; one that is offered with several knobs counts as several. */
struct engine_counts {
    int offered, refused;
    int unfit;     /* by precision or determinism, or left out */
    int too_large; /* more workspace than the limit */
    int failed, wrong; /* planned, but does not run, or computes other values than the rest */
};

/* A convolution of `batch` images, padded as the layer is. x (N,H,W,x_channels): the layer's channels, padded with
 * zero channels where that helps. The forward pass adds the layer's bias (in the activations' type, aligned to 4 bytes) and applies
 * its ReLU. Filter (K,R,S,x_channels) in the activations' type. */
struct cudnn_convolution {
    const struct cudnn_library *library;
    const struct net_layer *layer;
    int batch, x_channels;
    struct engine engines[PASSES][ENGINES_MAX]; /* those that fit precision, determinism and workspace, best guess first */
    int engine_count[PASSES], chosen[PASSES];
    struct engine_counts counts[PASSES];
    float milliseconds[PASSES]; /* of the chosen one, where it was measured; else 0 */
    bool dfilter_half; /* the filter's gradient is bfloat16, as cuDNN 9 has it where x and dy are; else float */
    void *own;
};

struct convolution_request {
    const struct net_layer *layer;
    int batch, x_channels;
    bool backward, input_gradient; /* which passes, beside forward */
};

/* Makes the plans. -1 also where cuDNN offers none, with what was asked for. */
int cudnn_convolution_init(struct cudnn_convolution *c, const struct cudnn_library *library,
                           const struct convolution_request *request, struct error *why);
/* Chooses each pass's fastest engine by running them on the memory given (x, y... of the right sizes, zeroed in the end;
 * bias: also the filter), after the workspace was taken. With library->deterministic the first that works is chosen. -1 where
 * none of a pass works. */
struct convolution_memory {
    void *x, *filter, *y, *dx, *dfilter, *dy;
    const void *bias;
};
int cudnn_convolution_choose(struct cudnn_convolution *c, const struct convolution_memory *memory, struct error *why);
/* Enqueues a pass. Host memory is allocated only where something lies elsewhere than in the run before. */
int cudnn_convolution_run(struct cudnn_convolution *c, enum convolution_pass pass, const struct convolution_memory *memory,
                    struct error *why);
size_t cudnn_convolution_workspace(const struct cudnn_convolution *c); /* the largest of any engine */
/* "forward engine 11 (0.042 ms, best of 6, 3 too large); weights engine 1 ..." */
void cudnn_convolution_about(const struct cudnn_convolution *c, char *text, size_t size);
void cudnn_convolution_free(struct cudnn_convolution *c);

#endif
