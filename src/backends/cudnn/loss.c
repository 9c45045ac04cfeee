#include "parcel.h"
#include "plan.h"

static int launch_loss(struct plan *plan, float *tail, const struct pass_control *control, int count, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    struct loss_arguments arguments = {
        .logits = plan->output, .labels = s->labels, .gradient = plan->output_gradient, .tail = tail, .control = control,
        .next = s->steps.next, .batch = plan->batch, .count = count, .classes = plan->classes,
    };
    return kernel_launch(&s->library, KERNEL_loss, 1, &arguments, why);
}

int loss_init(struct plan *plan, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    struct cudnn_operation *last = &s->operations[s->net->layer_count - 1];
    if (last->kind != &cudnn_dense_few_kind)
        return 0;
    s->loss = (struct step_loss){.labels = s->labels, .gradient = plan->output_gradient};
    s->loss.images = device_new((size_t)plan->batch * sizeof *s->loss.images, "the images' losses", why);
    last->loss = &s->loss;
    return s->loss.images ? 0 : -1;
}

int cudnn_step_loss(struct plan *plan, float *tail, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    s->loss.tail = tail, s->loss.control = s->steps.present, s->loss.next = s->steps.next;
    return s->loss.images ? 0 : launch_loss(plan, tail, s->steps.present, plan->batch, why);
}

/* The device's sums are single floats: exact for the counts, and good to 7 digits for the loss. */
int cudnn_loss(struct plan *plan, const int32_t *labels, int count, struct loss_sums *sums, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    float tail[PARCEL_SLOTS];
    if (plan_check_labels(plan, labels, count, why))
        return -1;
    if (count > 0 && (CUDA(cudaStreamSynchronize(s->library.stream), why) ||
                      CUDA(cudaMemcpy(s->labels, labels, (size_t)count * sizeof *labels, cudaMemcpyHostToDevice), why) ||
                      CUDA(cudaStreamSynchronize(cudaStreamLegacy), why)))
        return -1;
    if (launch_loss(plan, s->tail, NULL, count, why) || cudnn_download(tail, s->tail, PARCEL_SLOTS, why))
        return -1;
    *sums = (struct loss_sums){.loss = tail[PARCEL_LOSS], .correct = (int64_t)tail[PARCEL_CORRECT], .count = count};
    return 0;
}
