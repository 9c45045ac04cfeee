#include "plan.h"

int cudnn_allreduce_probe(struct error *why)
{
    return error_set(why, "this build has no NCCL (`make info` tells why)");
}

int cudnn_allreduce_identity(void *identity, size_t bytes, struct error *why)
{
    (void)identity, (void)bytes;
    return error_set(why, "NCCL is not built in");
}

int cudnn_allreduce_join(struct plan *plan, const void *identity, int rank, int ranks, struct error *why)
{
    (void)plan, (void)identity, (void)rank, (void)ranks;
    return error_set(why, "NCCL is not built in");
}

int cudnn_allreduce(struct plan *plan, float *values, size_t count, bool beside, struct error *why)
{
    (void)plan, (void)values, (void)count, (void)beside;
    return error_set(why, "NCCL is not built in");
}

void nccl_free(struct plan *plan)
{
    (void)plan;
}
