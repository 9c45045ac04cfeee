#include <stdlib.h>
#include <string.h>

#include "mpi_check.h"
#include "parallel.h"

/* One window of the node, all of it owned by its first rank. -1 where the node cannot give it
 * (/dev/shm is often small in a container): MPI says so on the ranks that notice. */
static int share_window(const struct world *world, size_t bytes, struct shared_memory *memory)
{
    MPI_Win window = MPI_WIN_NULL;
    void *own = NULL;
    MPI_Aint size = world->node_rank == 0 ? (MPI_Aint)bytes : 0;
    MPI_Win *kept = malloc(sizeof *kept);
    int unit, failed = !kept;
    failed |= MPI_Win_allocate_shared(size, 1, MPI_INFO_NULL, world->state->node, &own, &window) != MPI_SUCCESS;
    if (!failed)
        failed = MPI_Win_shared_query(window, 0, &size, &unit, &memory->data) != MPI_SUCCESS ||
                 MPI_Win_lock_all(MPI_MODE_NOCHECK, window) != MPI_SUCCESS;
    int any = 1;
    if (MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, world->state->node) != MPI_SUCCESS || any) {
        free(kept); /* the window of a rank that has one stays: freeing is collective */
        return -1;
    }
    *kept = window;
    memory->window = kept;
    return 0;
}

void world_share(const struct world *world, size_t bytes, struct shared_memory *memory)
{
    memset(memory, 0, sizeof *memory);
    memory->shared = world->node_size > 1 && !share_window(world, bytes, memory);
    if (!memory->shared)
        memset(memory, 0, sizeof *memory);
}

void world_unshare(struct shared_memory *memory)
{
    if (memory->shared) {
        MPI_Win *window = memory->window;
        MPI_Win_unlock_all(*window);
        MPI_Win_free(window);
        free(window);
    } else {
        free(memory->data);
    }
    memset(memory, 0, sizeof *memory);
}
