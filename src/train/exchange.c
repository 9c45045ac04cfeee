/* Which rank uses which device, and how gradients are summed. */
#include <stdlib.h>
#include <string.h>

#include "run.h"

/* ---- which device ---- */

/* A UUID identifies a device anywhere; a PCI address, for GPUs without a UUID, only on its node. */
struct place {
    char host[64], uuid[40], pci[32];
    int node;
};

static enum sharing sharing_of(const struct place *a, const struct place *b)
{
    bool one_gpu = a->node == b->node && !strcmp(a->pci, b->pci), known = a->uuid[0] && b->uuid[0];
    if (known ? !strcmp(a->uuid, b->uuid) : one_gpu)
        return SHARING_DEVICE;
    return one_gpu ? SHARING_GPU : SHARING_NONE;
}

/* Rank 0: the closest sharing of any two ranks, and the first two ranks that share so. */
static enum sharing find_shared(const struct place *places, int size, int *first, int *second)
{
    enum sharing most = SHARING_NONE;
    for (int i = 1; i < size; i++)
        for (int j = 0; j < i; j++) {
            enum sharing found = sharing_of(&places[j], &places[i]);
            if (found > most)
                most = found, *first = j, *second = i;
        }
    return most;
}

static int check_shared(struct run *run, const struct place *places, struct error *why)
{
    int first = 0, second = 0;
    run->sharing = find_shared(places, run->world->size, &first, &second);
    if (run->sharing < SHARING_DEVICE || run->options->share_devices)
        return 0;
    const struct place *place = &places[first];
    return error_set(why, "ranks %d and %d on %s both have GPU %s%s%s: start one rank a GPU, or let them share with "
                     "--share-devices", first, second, place->host, place->pci, place->uuid[0] ? ", UUID " : "", place->uuid);
}

/* Collective. */
static int compare_places(struct run *run, const struct place *mine, struct error *why)
{
    const struct world *world = run->world;
    struct place *all = world->rank == 0 ? memory_new((size_t)world->size, sizeof *all, "the ranks' devices", why) : NULL;
    if (world_agree(world, world->rank == 0 && !all ? -1 : 0, why))
        return -1;
    if (world_gather(world, mine, sizeof *mine, all, why))
        world_abort(world, why->text);
    int status = world_agree(world, world->rank == 0 ? check_shared(run, all, why) : 0, why);
    free(all);
    if (!status && world_broadcast(world, &run->sharing, sizeof run->sharing, why))
        world_abort(world, why->text);
    return status;
}

/* Either all ranks have a device or none has, since gradients are added where they are. */
static int check_alike(struct run *run, struct error *why)
{
    int64_t with_device = run->backend->device != NULL;
    if (world_sum(run->world, &with_device, 1, why))
        world_abort(run->world, why->text);
    if (with_device == 0 || with_device == run->world->size)
        return 0;
    return error_set(why, "--tower auto finds a GPU for %lld of %d ranks only: name the tower that all of them can have",
                     (long long)with_device, run->world->size);
}

int run_check_devices(struct run *run, struct error *why)
{
    struct place mine = {.node = run->world->node};
    if (check_alike(run, why))
        return -1;
    if (!run->backend->device)
        return 0;
    memcpy(mine.host, run->world->host, sizeof mine.host);
    memcpy(mine.uuid, run->place.uuid, sizeof mine.uuid);
    memcpy(mine.pci, run->place.pci, sizeof mine.pci);
    return compare_places(run, &mine, why);
}

/* ---- how gradients are summed ---- */

static int settle(struct run *run, enum exchange exchange, const char *reason)
{
    run->exchange = exchange;
    run->exchange_why = reason;
    return 0;
}

/* Whether --allreduce nccl or mpi-cuda is possible. */
static int check_on_device(const struct run *run, enum allreduce how, struct error *why)
{
    const struct device *device = run->backend->device;
    bool nccl = how == ALLREDUCE_NCCL;
    const char *name = nccl ? "nccl" : "mpi-cuda";
    if (!device)
        return error_set(why, "--allreduce %s is for GPUs: this run's tower is %s", name, run->backend->name);
    if (run->options->slices > 0)
        return error_set(why, "--allreduce %s adds in an order of its own: leave out --slices", name);
    if (nccl && device->allreduce_probe(why))
        return error_in(why, "--allreduce nccl");
    if (nccl && run->sharing > SHARING_NONE)
        return error_set(why, "--allreduce nccl: NCCL wants a GPU for each rank, and some share one: take mpi");
    if (!nccl && !mpi_knows_devices())
        return error_set(why, "--allreduce mpi-cuda: %s says that it cannot read a GPU's memory; take mpi",
                         run->world->library);
    return 0;
}

/* The fastest exchange between devices if the order of additions is free. */
static int settle_device(struct run *run)
{
    struct error unused;
    bool nccl = !run->backend->device->allreduce_probe(&unused), direct = mpi_knows_devices();
    if (nccl && run->sharing == SHARING_NONE)
        return settle(run, EXCHANGE_NCCL, "a GPU a rank");
    if (direct)
        return settle(run, EXCHANGE_MPI_DEVICE, nccl ? "ranks share a GPU" : "no NCCL in this build");
    return settle(run, exchange_fastest(run->world, false), nccl ? "ranks share a GPU, and MPI cannot read its memory"
                  : "no NCCL in this build, and MPI cannot read a GPU's memory");
}

/* --allreduce auto, and tree. */
static int settle_best(struct run *run)
{
    const struct world *world = run->world;
    if (world->size == 1 && run->slices == 1)
        return settle(run, EXCHANGE_NONE, "one rank, one slice");
    if (run->tree)
        return settle(run, exchange_fastest(world, true), "the same bits on any ranks");
    if (run->backend->device)
        return settle_device(run);
    return settle(run, exchange_fastest(world, false), world->nodes > 1 ? "the fastest between nodes" : "the fastest on one node");
}

static int choose_exchange(struct run *run, struct error *why)
{
    enum allreduce how = run->options->allreduce;
    bool nccl = how == ALLREDUCE_NCCL, direct = how == ALLREDUCE_MPI_CUDA;
    if ((nccl || direct) && check_on_device(run, how, why))
        return -1;
    if (nccl || direct)
        return settle(run, nccl ? EXCHANGE_NCCL : EXCHANGE_MPI_DEVICE, "as asked for");
    if (how == ALLREDUCE_MPI) /* with --slices the tree, so that the bits do not depend on the number of ranks */
        return settle(run, run->tree ? EXCHANGE_TREE : EXCHANGE_BUCKETS, "as asked for");
    return settle_best(run);
}

int run_choose_exchange(struct run *run, struct error *why)
{
    return world_agree(run->world, choose_exchange(run, why), why);
}

int run_build_reducer(struct run *run, struct error *why)
{
    size_t bucket = (size_t)run->options->bucket_kib * 1024;
    int status = reducer_init(&run->reducer, run->world, run->exchange, run->net.gradients, run->slices, bucket, why);
    run->reducer.phases = &run->phases;
    if (run->exchange == EXCHANGE_SHARED && run->reducer.exchange == EXCHANGE_TREE)
        settle(run, EXCHANGE_TREE, "the ranks of this node cannot share memory");
    return world_agree(run->world, status, why);
}

const char *exchange_text(enum exchange exchange)
{
    static const char *const texts[EXCHANGE_KINDS] = {
        [EXCHANGE_NONE] = "none",
        [EXCHANGE_SHARED] = "tree, in shared memory",
        [EXCHANGE_TREE] = "tree, by MPI",
        [EXCHANGE_BUCKETS] = "mpi, in buckets",
        [EXCHANGE_MPI_DEVICE] = "mpi-cuda, in the GPUs' memory",
        [EXCHANGE_NCCL] = "nccl",
    };
    return texts[exchange];
}

/* ---- connecting the devices ---- */

static int without_nccl(struct error *why)
{
    return error_add(why, "; --allreduce mpi does without NCCL");
}

/* tower_join returns on no rank before all ranks have called it. So the ranks first agree that nothing has failed, and a rank whose
 * join fails aborts the job, as others may be waiting for it. */
int run_join_devices(struct run *run, struct error *why)
{
    unsigned char identity[DEVICE_IDENTITY] = {0};
    const struct device *device = run->backend->device;
    int status = 0;
    if (run->world->rank == 0 && device->allreduce_identity(identity, sizeof identity, why))
        status = without_nccl(why);
    if (world_agree(run->world, status, why))
        return -1;
    if (world_broadcast(run->world, identity, sizeof identity, why))
        world_abort(run->world, why->text);
    if (tower_join(&run->tower, identity, why)) {
        without_nccl(why);
        world_abort(run->world, why->text);
    }
    return 0;
}
