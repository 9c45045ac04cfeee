/* Sums over all ranks by NCCL, with one rank per device. */
#include <nccl.h>
#include <string.h>

#include "plan.h"

int cudnn_allreduce_probe(struct error *why)
{
    (void)why;
    return 0;
}

static int check_nccl(ncclResult_t status, const char *call, const char *place, struct error *why)
{
    if (status == ncclSuccess)
        return 0;
    return check_failed("NCCL", call, place, ncclGetErrorString(status), "", why);
}

#define NCCL(call, why) check_nccl((call), #call, PLACE, (why))

int cudnn_allreduce_identity(void *identity, size_t bytes, struct error *why)
{
    ncclUniqueId id;
    if (bytes < sizeof id)
        return error_set(why, "NCCL: an identity needs %zu bytes", sizeof id);
    if (NCCL(ncclGetUniqueId(&id), why))
        return -1;
    memcpy(identity, &id, sizeof id);
    return 0;
}

int cudnn_allreduce_join(struct plan *plan, const void *identity, int rank, int ranks, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    ncclUniqueId id;
    ncclComm_t communicator;
    memcpy(&id, identity, sizeof id);
    if (NCCL(ncclCommInitRank(&communicator, ranks, id, rank), why))
        return -1;
    s->communicator = communicator;
    return 0;
}

int cudnn_allreduce(struct plan *plan, float *values, size_t count, bool beside, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    cudaStream_t stream = beside ? s->library.beside : s->library.stream;
    if (beside && cudnn_library_fork(&s->library, why))
        return -1;
    return NCCL(ncclAllReduce(values, values, count, ncclFloat, ncclSum, s->communicator, stream), why);
}

void nccl_free(struct plan *plan)
{
    struct cudnn_plan_state *s = plan->state;
    if (s->communicator)
        ncclCommDestroy(s->communicator);
}
