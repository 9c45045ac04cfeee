/* The cudnn backend: activations NHWC in the plan's precision, convolutions by cuDNN's graph API with filters (K,R,S,C), dense
 * layers by cublasLt on the flat buffers, the rest by our own kernels (kernels.h). All work is enqueued on the library's stream.
 * It is a shared module: only the module includes and links CUDA's libraries, and nothing of it is linked into the program. */
#ifndef BACKENDS_CUDNN_H
#define BACKENDS_CUDNN_H

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include "backend.h"
#include "kernels.h"

/* The state of a stream's capture: its number, and the nodes that the next work will depend on. The edges are requested but not
 * read: without them the call fails if a library left an edge that is not a full dependency. */
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

/* ---- check.c: checks of every status; -1 with "CUDA: <call> at <file>:<line>: <what it says>" and the device ---- */

/* The others report failures by this. status: in words; hint: what may help. */
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

/* ---- library.c: a plan's streams, handles and workspace ---- */

/* The single node that the next work on a captured stream will depend on. */
struct captured_last {
    unsigned long long capture; /* the capture's number; 0: there is no such node, or several */
    cudaGraphNode_t node;
};

struct cudnn_library {
    cudaStream_t stream, beside; /* the work; work beside it (cudnn_library_fork, _join) */
    cudaEvent_t forked, joined;
    bool is_forked; /* work was forked since the last join */
    cudnnHandle_t cudnn;
    cublasLtHandle_t cublas;
    cudnnBackendDescriptor_t properties; /* of a device that is not present: its plans cannot run (tests). Else NULL */
    enum precision precision;
    bool deterministic;
    size_t workspace_limit; /* bytes, for one operation */
    void *workspace;        /* workspace_bytes, shared by all operations: they run one after another */
    size_t workspace_bytes;
    bool overlap;                  /* our kernels wait for the previous one themselves, so they may start before it ends */
    struct captured_last launched; /* our last kernel in a capture */
};

/* The workspace that an operation may have: `image` bytes per image, but at least `least`. */
struct workspace_need {
    size_t least, image;
};
struct workspace_need workspace_need_of(const struct plan_request *request);
size_t workspace_limit(const struct plan_request *request); /* for its batch */

int cudnn_library_open(struct cudnn_library *library, const struct plan_request *request, struct error *why);
void cudnn_library_close(struct cudnn_library *library);
/* fork: work enqueued on `beside` from now on waits for the work enqueued so far. join: work enqueued from now on waits for all
 * work on `beside`, if anything was forked. */
int cudnn_library_fork(struct cudnn_library *library, struct error *why);
int cudnn_library_join(struct cudnn_library *library, struct error *why);
/* Raises workspace_bytes; called before the workspace is taken. */
void cudnn_library_wants(struct cudnn_library *library, size_t bytes);
int cudnn_library_take_workspace(struct cudnn_library *library, struct error *why);

/* Bytes of an activation's element. */
size_t element_bytes(enum precision precision);

/* ---- graph.c ---- */

/* Ends the stream's capture. *exec: an executable graph of the recorded work; exec NULL: the recording is dropped. */
int graph_end(cudaStream_t stream, cudaGraphExec_t *exec, struct error *why);
void graph_free(cudaGraphExec_t *graph); /* *graph may be NULL, and is NULL afterwards */

/* ---- memory.c ---- */

enum { DEVICE_ALIGNMENT = 256 }; /* bytes, of cudaMalloc's addresses */

/* Zeroed device memory; a failure says how much was asked for and how much is free. */
void *device_new(size_t bytes, const char *what, struct error *why);
void device_free(void *memory);
/* Members of struct backend. */
float *cudnn_allocate(size_t count, const char *what, struct error *why);
void cudnn_free(float *memory);
int cudnn_upload(float *to, const float *from, size_t count, struct error *why);
int cudnn_download(float *to, const float *from, size_t count, struct error *why);

/* ---- launch.c: our own kernels ---- */

#define KERNEL_NUMBER(name, threads, phases) KERNEL_##name,
enum kernel { KERNELS(KERNEL_NUMBER) KERNEL_COUNT };
#undef KERNEL_NUMBER

/* Whether our kernels, as compiled for this device, wait for the previous work themselves. */
int kernels_overlap(bool *overlap, struct error *why);
/* Enqueues the kernel with that many blocks. arguments: its struct <name>_arguments. */
int kernel_launch(struct cudnn_library *library, enum kernel kernel, size_t blocks, const void *arguments,
                  struct error *why);
/* The add kernel: y = a + b, then the ReLU if relu. */
int kernel_add_values(struct cudnn_library *library, const void *a, const void *b, void *y, size_t values, bool half, bool relu,
                      struct error *why);
/* The convert kernel: rows of x, float or bfloat16, into rows of y. */
int kernel_convert_rows(struct cudnn_library *library, const void *x, int x_channels, bool x_half, void *y, int y_channels,
                        bool y_half, size_t rows, struct error *why);
/* The number of blocks of a kernel over that many elements. */
size_t kernel_blocks(enum kernel kernel, size_t elements);

/* ---- properties of a layer ---- */

static inline bool has_relu(const struct net_layer *l)
{
    return l->layer.activation == ACTIVATION_RELU;
}

static inline bool has_bias(const struct net_layer *l)
{
    return l->biases;
}

/* Whether its weights and biases have gradients. */
static inline bool is_trained(const struct net_layer *l)
{
    return l->weights && l->weights->role == TENSOR_TRAINED;
}

/* ---- convolution*.c: cuDNN's graph API ---- */

enum convolution_pass { PASS_FORWARD, PASS_INPUT, PASS_WEIGHTS, PASSES };

/* One of the plans that cuDNN offers for a pass. */
struct engine {
    cudnnBackendDescriptor_t engine, config, plan; /* finalised; engine: NULL if a heuristic gave the configuration */
    int64_t number;
    size_t workspace;
    unsigned notes; /* bits 1 << CUDNN_NUMERICAL_NOTE_* */
    char name[64];  /* "engine 44, tensor cores, not deterministic": for the log */
};

enum { ENGINES_MAX = 40 };

/* Engines of a pass; one that is offered with several settings of its knobs counts several times. */
struct engine_counts {
    int offered, refused;
    int unfit;     /* by precision or determinism, or left out */
    int too_large; /* more workspace than the limit */
    int failed, wrong; /* planned, but do not run, or compute other values than the rest */
};

/* A convolution of `batch` images, padded as the layer is. x (N,H,W,x_channels): the layer's channels, and zero channels if those
 * help. The forward pass adds the layer's bias (in the activations' type, aligned to 4 bytes) and applies its ReLU. Filter
 * (K,R,S,x_channels) in the activations' type. */
struct cudnn_convolution {
    const struct cudnn_library *library;
    const struct net_layer *layer;
    int batch, x_channels;
    struct engine engines[PASSES][ENGINES_MAX]; /* those that fit precision, determinism and workspace, best guess first */
    int engine_count[PASSES], chosen[PASSES];
    struct engine_counts counts[PASSES];
    float milliseconds[PASSES]; /* of the chosen engine if it was measured, else 0 */
    bool dfilter_half; /* the filter's gradient is bfloat16, as cuDNN 9 makes it if x and dy are; else float */
    void *own;
};

struct convolution_request {
    const struct net_layer *layer;
    int batch, x_channels;
    bool backward, input_gradient; /* which passes besides forward */
};

/* Makes the plans. -1 also if cuDNN offers none; `why` then says what was requested. */
int cudnn_convolution_init(struct cudnn_convolution *c, const struct cudnn_library *library,
                           const struct convolution_request *request, struct error *why);
/* Chooses each pass's fastest engine by running them on the given memory (x, y, ... of the right sizes, zeroed at the end; bias
 * may be the filter). The workspace must have been taken. With library->deterministic, the first engine that works is chosen. -1
 * if a pass has none that works. */
struct convolution_memory {
    void *x, *filter, *y, *dx, *dfilter, *dy;
    const void *bias;
};
int cudnn_convolution_choose(struct cudnn_convolution *c, const struct convolution_memory *memory, struct error *why);
/* Enqueues a pass. Allocates host memory only if an address differs from the previous run's. */
int cudnn_convolution_run(struct cudnn_convolution *c, enum convolution_pass pass, const struct convolution_memory *memory,
                    struct error *why);
size_t cudnn_convolution_workspace(const struct cudnn_convolution *c); /* the largest of any engine */
/* "forward engine 11 (0.042 ms, best of 6, 3 too large); weights engine 1 ..." */
void cudnn_convolution_about(const struct cudnn_convolution *c, char *text, size_t size);
void cudnn_convolution_free(struct cudnn_convolution *c);

#endif
