/* The route by MPI in the fixed tree: each rank receives its segment of every rank's parcel, adds them up, and sends the sum to
 * all ranks. */
#include "mpi_check.h"
#include "reduce.h"

static int tree_open(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    s->work = memory_new(s->length, sizeof(float), "the gradients of all ranks", why); /* (ranks, segment) */
    return s->work ? 0 : -1;
}

static int tree_finish(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    MPI_Comm all = reducer->world->state->all;
    float *segments = s->work;
    int count = (int)s->segment;
    if (s->held > 1)
        reduce_leaves(s, s->own, s->own, s->held, s->length, parcel_end(reducer));
    if (mpi_check(MPI_Alltoall(s->own, count, MPI_FLOAT, segments, count, MPI_FLOAT, all), "MPI_Alltoall", why))
        return -1;
    reduce_leaves(s, segments, segments, reducer->world->size, s->segment, s->segment);
    return mpi_check(MPI_Allgather(segments, count, MPI_FLOAT, s->sums, count, MPI_FLOAT, all), "MPI_Allgather", why);
}

const struct route reduce_tree = {.open = tree_open, .finish = tree_finish};
