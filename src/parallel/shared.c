/* Memory that the ranks of a node share: the node's first rank makes an anonymous file in memory, and the others open it through
 * /proc. (MPI_Win_allocate_shared would use /dev/shm. In a container that has 64 MB, and Open MPI 4.1 hangs there; and a killed
 * job leaves files in it.) */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "mpi_check.h"
#include "parallel.h"

/* Where the others find the file. The token at its beginning proves that it is the right one: in another container the same process
 * number may belong to another process. */
struct invitation {
    long process, token;
    int descriptor; /* -1: no file */
};

static void *map(int descriptor, size_t bytes)
{
    void *data = descriptor < 0 ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return data == MAP_FAILED ? NULL : data;
}

/* The node's first rank. The system allocates each page when a rank first writes to it, near that rank. So check now whether there
 * is enough memory. */
static void *make_file(size_t bytes, struct invitation *invitation)
{
    struct error ignored;
    *invitation = (struct invitation){.process = getpid(), .descriptor = -1};
    if (memory_check(bytes, "shared memory", &ignored) ||
        getrandom(&invitation->token, sizeof invitation->token, 0) != sizeof invitation->token)
        return NULL;
    invitation->descriptor = memfd_create("cifar10_mpi", MFD_CLOEXEC);
    if (invitation->descriptor >= 0 && ftruncate(invitation->descriptor, (off_t)bytes)) {
        close(invitation->descriptor);
        invitation->descriptor = -1;
    }
    long *data = map(invitation->descriptor, bytes);
    if (data)
        *data = invitation->token;
    return data;
}

/* The node's other ranks. */
static void *open_memory(size_t bytes, const struct invitation *invitation)
{
    char file[64];
    snprintf(file, sizeof file, "/proc/%ld/fd/%d", invitation->process, invitation->descriptor);
    int descriptor = invitation->descriptor < 0 ? -1 : open(file, O_RDWR | O_CLOEXEC);
    off_t size = descriptor < 0 ? -1 : lseek(descriptor, 0, SEEK_END);
    long *data = size == (off_t)bytes ? map(descriptor, bytes) : NULL;
    if (descriptor >= 0)
        close(descriptor);
    if (data && *data != invitation->token) {
        munmap(data, bytes);
        data = NULL;
    }
    return data;
}

void world_share(const struct world *world, size_t bytes, struct shared_memory *memory)
{
    struct invitation invitation = {.descriptor = -1};
    bool first = world->node_rank == 0;
    memset(memory, 0, sizeof *memory);
    if (world->node_size == 1)
        return;
    MPI_Comm node = world->state->node;
    bytes = bytes < sizeof(long) ? sizeof(long) : bytes;
    void *data = first ? make_file(bytes, &invitation) : NULL;
    struct error why;
    int failed = 0, any = 0;
    if (mpi_check(MPI_Bcast(&invitation, sizeof invitation, MPI_BYTE, 0, node), "MPI_Bcast", &why))
        world_abort(world, why.text);
    if (!first)
        data = open_memory(bytes, &invitation);
    failed = !data;
    if (mpi_check(MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, node), "MPI_Allreduce", &why))
        world_abort(world, why.text);
    if (first && invitation.descriptor >= 0)
        close(invitation.descriptor); /* the mapping remains */
    if (any && data)
        munmap(data, bytes);
    else if (!any)
        *memory = (struct shared_memory){.data = data, .shared = true, .bytes = bytes};
}

void world_unshare(struct shared_memory *memory)
{
    if (memory->shared)
        munmap(memory->data, memory->bytes);
    else
        free(memory->data);
    memset(memory, 0, sizeof *memory);
}
