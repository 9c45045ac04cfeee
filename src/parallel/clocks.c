/* The difference of two ranks' clocks, measured by round trips of messages. */
#include "clock.h"
#include "mpi_check.h"
#include "world.h"

enum { ROUND_TRIPS = 32, TAG = 7 };

/* Rank 0. Uses the shortest round trip, and assumes that the other rank read its clock in the middle of it. The error is at most
 * half of the round trip. */
static int ask_clock(MPI_Comm all, int rank, double *offset, struct error *why)
{
    double least = -1;
    for (int i = 0; i < ROUND_TRIPS; i++) {
        double before = clock_seconds(), theirs;
        if (mpi_check(MPI_Send(&before, 1, MPI_DOUBLE, rank, TAG, all), "MPI_Send", why) ||
            mpi_check(MPI_Recv(&theirs, 1, MPI_DOUBLE, rank, TAG, all, MPI_STATUS_IGNORE), "MPI_Recv", why))
            return -1;
        double after = clock_seconds();
        if (least >= 0 && after - before >= least)
            continue;
        least = after - before;
        *offset = (before + after) / 2 - theirs;
    }
    return mpi_check(MPI_Send(offset, 1, MPI_DOUBLE, rank, TAG, all), "MPI_Send", why);
}

static int answer_clock(MPI_Comm all, double *offset, struct error *why)
{
    double number;
    for (int i = 0; i < ROUND_TRIPS; i++) {
        if (mpi_check(MPI_Recv(&number, 1, MPI_DOUBLE, 0, TAG, all, MPI_STATUS_IGNORE), "MPI_Recv", why))
            return -1;
        number = clock_seconds();
        if (mpi_check(MPI_Send(&number, 1, MPI_DOUBLE, 0, TAG, all), "MPI_Send", why))
            return -1;
    }
    return mpi_check(MPI_Recv(offset, 1, MPI_DOUBLE, 0, TAG, all, MPI_STATUS_IGNORE), "MPI_Recv", why);
}

int world_clock_offset(const struct world *world, double *offset, struct error *why)
{
    MPI_Comm all = world->state->all;
    *offset = 0;
    if (world->rank > 0)
        return answer_clock(all, offset, why);
    for (int rank = 1; rank < world->size; rank++) {
        double of_rank;
        if (ask_clock(all, rank, &of_rank, why))
            return -1;
    }
    return 0;
}
