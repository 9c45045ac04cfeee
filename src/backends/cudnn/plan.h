/* What a plan of this backend owns beside its four buffers. */
#ifndef BACKENDS_CUDNN_PLAN_H
#define BACKENDS_CUDNN_PLAN_H

#include "operations.h"

/* Calls of `begin` whose passes may be under way, and of results_begin that were not read yet. Powers of two. */
enum { TURNS = 32, WINDOW_TURNS = 2, REPORTS = 2 };

struct results_report {
    uint64_t first; /* step */
    int count;
    uint64_t begun; /* calls of begin before it: their passes are done when it is there */
    cudaEvent_t arrived;
};

/* steps.c: what whole training steps need. Device memory, but where pinned is said. */
struct steps {
    struct device_data data;
    uint8_t *images, *labels; /* all of the data's; NULL where `window`: then each pass's lie in its slot */
    bool window;
    size_t record;            /* bytes of an image */
    /* The ring of passes (struct pass_ring): turns * DEVICE_AT_ONCE slots. */
    uint8_t *slots, *staged;  /* staged: pinned, what `slots` is to be */
    size_t slot_bytes;
    int turns;
    uint64_t *next;
    struct pass_control *present;
    cudaStream_t loading;     /* slots come to the device on it, beside all else */
    cudaEvent_t loaded, passed[TURNS]; /* passed: of each call of begin, its passes are done */
    uint64_t passes, begun, finished;  /* passes; calls of begin; those whose passes are known to be done */
    /* What comes back. */
    struct step_record *records;       /* (STEPS_AT_ONCE) */
    struct step_result *results, *read; /* (REPORTS, STEPS_AT_ONCE); read: pinned */
    struct results_report reports[REPORTS];
    uint64_t asked, answered;          /* reports */
};

struct cudnn_plan_state {
    struct cudnn_library library;
    const struct net *net;
    struct cudnn_operation *operations; /* (net->layer_count) */
    void **activations, **gradients;    /* (net->layer_count): of layer i's output; NULL: the plan's, or not kept */
    void *addend; /* room for a gradient that is added to another reader's; NULL: each activation has one reader */
    /* The ends in bfloat16 (and with padded channels), where the operations want them so; else NULL. */
    void *images, *image_gradients, *logits, *logit_gradients;
    bool images_ready; /* distort wrote them: plan->input is not looked at */
    bool copies_ready; /* the update made the parameters' copies: the next prepare need not */
    int32_t *labels;   /* (batch) */
    struct step_loss loss;
    float *tail;       /* of a loss that is asked for by itself */
    struct step_record *record; /* of an update that is asked for by itself */
    uint32_t *faults;  /* finish.c's, in device memory: which of its tiles met a number that is not finite */
    int fault_count;   /* of its last check */
    struct steps steps;
    cudaEvent_t *sent; /* (stage_count), by ticket */
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

/* loss.c: what training steps need; struct backend's and struct device's. */
int loss_init(struct plan *plan, struct error *why);
int cudnn_loss(struct plan *plan, const int32_t *labels, int count, struct loss_sums *sums, struct error *why);
int cudnn_step_loss(struct plan *plan, float *tail, struct error *why);

/* update.c: adds the slices of all layers whose weights have that role; the STATE tensors' part of an update, with the arguments of
 * the TRAINED ones' part; the blocks of an update of so many parameters; the copies that operations want of parameters from
 * elsewhere. And struct backend's. */
void update_slices(struct update_arguments *update, const struct plan *plan, enum tensor_role role);
int update_states(const struct plan *plan, const struct update_arguments *trained, struct error *why);
size_t update_blocks(size_t count);
int update_copies(const struct plan *plan, const float *parameters, struct error *why);
int cudnn_sgd(struct plan *plan, float *parameters, const float *gradients, size_t count, float rate, float scale, float decay,
              double *penalty, struct error *why);
int cudnn_ema(float *shadows, const float *parameters, size_t count, float decay, struct error *why);

/* finish.c. backward: the flat gradients are complete, and with the parameters checked. sums: only checked, with the parameters;
 * where gradients were added up after the backward pass. */
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

/* graph.c */
int cudnn_capture(struct plan *plan, struct error *why);
int cudnn_captured(struct plan *plan, enum device_part part, struct error *why);
int cudnn_uncapture(struct plan *plan, enum device_part part, struct error *why);
int cudnn_replay(struct plan *plan, enum device_part part, struct error *why);
void graphs_free(struct plan *plan);

/* nccl.c, or nccl_none.c where it is not built in: then the probe says so, and the rest is never called. */
int cudnn_allreduce_probe(struct error *why);
int cudnn_allreduce_identity(void *identity, size_t bytes, struct error *why);
int cudnn_allreduce_join(struct plan *plan, const void *identity, int rank, int ranks, struct error *why);
int cudnn_allreduce(struct plan *plan, float *values, size_t count, bool beside, struct error *why);
void nccl_free(struct plan *plan);

/* device.c */
int cudnn_device_probe(char *about, size_t size, struct error *why);
int cudnn_device_choose(int node_rank, struct device_place *place, struct error *why);

#endif
