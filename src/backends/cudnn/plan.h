/* What a plan of this backend owns besides its four buffers. */
#ifndef BACKENDS_CUDNN_PLAN_H
#define BACKENDS_CUDNN_PLAN_H

#include "operations.h"

/* The most calls of `begin` whose passes may be under way (WINDOW_TURNS: with a window), and of results_begin not yet read.
 * Powers of two. */
enum { TURNS = 32, WINDOW_TURNS = 2, REPORTS = 2 };

struct results_report {
    uint64_t first; /* the first step */
    int count;
    uint64_t begun; /* calls of begin before it: once it has arrived, their passes are done */
    cudaEvent_t arrived;
};

/* steps.c: what whole training steps need. Pointers are to device memory, unless marked as pinned. */
struct steps {
    struct device_data data;
    uint8_t *images, *labels; /* of all the data; NULL with `window`: each pass's lie in its slot */
    bool window;
    size_t record;            /* bytes of an image */
    /* The ring of passes (struct pass_ring): turns * DEVICE_AT_ONCE slots. */
    uint8_t *slots, *staged;  /* staged: pinned; the next contents of `slots` */
    size_t slot_bytes;
    int turns;
    uint64_t *next;
    struct pass_control *present;
    cudaStream_t loading;     /* loads slots, beside all other work */
    cudaEvent_t loaded, passed[TURNS]; /* passed: for each call of begin, after its passes */
    uint64_t passes, begun, finished;  /* passes; calls of begin; those whose passes are known to be done */
    /* Results. */
    struct step_record *records;       /* (STEPS_AT_ONCE) */
    struct step_result *results, *read; /* (REPORTS, STEPS_AT_ONCE); read: pinned */
    struct results_report reports[REPORTS];
    uint64_t asked, answered;          /* numbers of reports */
};

struct cudnn_plan_state {
    struct cudnn_library library;
    const struct net *net;
    struct cudnn_operation *operations; /* (net->layer_count) */
    void **activations, **gradients;    /* (net->layer_count): of layer i's output; NULL: the plan's buffer, or not stored */
    void *addend; /* holds a gradient that is added to another reader's; NULL: no activation has several readers */
    /* The plan's input and output in bfloat16 (the input with padded channels) if the operations need that; else NULL. */
    void *images, *image_gradients, *logits, *logit_gradients;
    bool images_ready; /* distort wrote them: plan->input is not read */
    bool copies_ready; /* the update made the parameters' copies: the next prepare need not */
    int32_t *labels;   /* (batch) */
    struct step_loss loss;
    float *tail;       /* for a loss outside of a step */
    struct step_record *record; /* for an update outside of a step */
    uint32_t *faults;  /* finish.c's, in device memory: which of its tiles met a number that is not finite */
    int fault_count;   /* of its last check */
    struct steps steps;
    cudaEvent_t *sent; /* (stage_count), by ticket */
    cudaEvent_t *marks; /* (DEVICE_MARKS), NULL until used; NULL: none was used */
    cudaGraphExec_t graphs[DEVICE_PARTS];
    void *communicator; /* nccl.c's */
};

static inline struct cudnn_plan_state *state_of(const struct plan *plan)
{
    return plan->state;
}

/* plan.c */
int cudnn_supports(const struct layer *layer, struct error *why);
int cudnn_plan(struct plan *plan, const struct plan_request *request, struct error *why);
void cudnn_plan_free(struct plan *plan);

/* loss.c. cudnn_loss is struct backend's, cudnn_step_loss struct device's. */
int loss_init(struct plan *plan, struct error *why);
int cudnn_loss(struct plan *plan, const int32_t *labels, int count, struct loss_sums *sums, struct error *why);
int cudnn_step_loss(struct plan *plan, float *tail, struct error *why);

/* update.c. update_slices: adds the slices of all layers whose weights have that role. update_states: updates the STATE tensors,
 * with the arguments of the TRAINED ones' update. update_blocks: blocks for an update of that many parameters. update_copies:
 * makes the copies that operations need, of parameters from elsewhere. The others are struct backend's. */
void update_slices(struct update_arguments *update, const struct plan *plan, enum tensor_role role);
int update_states(const struct plan *plan, const struct update_arguments *trained, struct error *why);
size_t update_blocks(size_t count);
int update_copies(const struct plan *plan, const float *parameters, struct error *why);
int cudnn_sgd(struct plan *plan, float *parameters, const float *gradients, size_t count, float rate, float scale, float decay,
              double *penalty, struct error *why);
int cudnn_ema(float *shadows, const float *parameters, size_t count, float decay, struct error *why);

/* finish.c. finish_backward: completes the flat gradients, and checks them and the parameters. finish_sums: only checks, after
 * gradients were summed over the ranks. */
int finish_init(struct plan *plan, struct error *why);
int finish_backward(struct plan *plan, float *gradients, struct error *why);
int finish_sums(struct plan *plan, const float *parameters, const float *sums, struct error *why);

/* steps.c */
int steps_init(struct plan *plan, struct error *why);
void steps_free(struct plan *plan);
int cudnn_data(struct plan *plan, const struct device_data *data, char *about, size_t size, struct error *why);
int cudnn_begin(struct plan *plan, const struct device_pass *passes, int count, struct error *why);
int cudnn_distort(struct plan *plan, struct error *why);
int cudnn_update(struct plan *plan, float *parameters, const float *gradients, float *const *states, bool exchanged,
                 struct error *why);
int cudnn_results_begin(struct plan *plan, uint64_t last, int count, struct error *why);
int cudnn_results_end(struct plan *plan, struct step_result *results, struct error *why);
int cudnn_wait(struct plan *plan, struct error *why);

/* exchange.c */
int exchange_init(struct plan *plan, struct error *why);
void exchange_free(struct plan *plan);
int cudnn_pin(void *memory, size_t bytes, struct error *why);
int cudnn_unpin(void *memory, struct error *why);
int cudnn_send(struct plan *plan, float *to, const float *from, size_t count, int ticket, struct error *why);
int cudnn_send_end(struct plan *plan, struct error *why);
int cudnn_sent(struct plan *plan, int ticket, struct error *why);
int cudnn_receive(struct plan *plan, float *to, const float *from, size_t count, struct error *why);

/* marks.c */
int cudnn_mark(struct plan *plan, int mark, bool beside, struct error *why);
int cudnn_marks(struct plan *plan, double *seconds, int count, struct error *why);
void marks_free(struct plan *plan);

/* graph.c */
int cudnn_capture(struct plan *plan, struct error *why);
int cudnn_captured(struct plan *plan, enum device_part part, struct error *why);
int cudnn_uncapture(struct plan *plan, enum device_part part, struct error *why);
int cudnn_replay(struct plan *plan, enum device_part part, struct error *why);
void graphs_free(struct plan *plan);

/* nccl.c, or nccl_none.c if NCCL is not built in; then the probe says so, and the rest is never called. */
int cudnn_allreduce_probe(struct error *why);
int cudnn_allreduce_identity(void *identity, size_t bytes, struct error *why);
int cudnn_allreduce_join(struct plan *plan, const void *identity, int rank, int ranks, struct error *why);
int cudnn_allreduce(struct plan *plan, float *values, size_t count, bool beside, struct error *why);
void nccl_free(struct plan *plan);

/* device.c */
int cudnn_device_probe(char *about, size_t size, struct error *why);
int cudnn_device_choose(int node_rank, struct device_place *place, struct error *why);

#endif
