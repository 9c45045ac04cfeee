#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mpi_check.h"
#include "parallel.h"

static int environment_integer(const char *name)
{
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

/* ---- copies: processes that were started together, but each as an MPI job of size 1 ---- */

/* The variables in which a launcher passes each process the number of processes and its own number. mpirun comes before srun, which
 * may have started it. */
static const struct {
    const char *size, *number;
} launchers[] = {
    {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"}, /* Open MPI's mpirun */
    {"PMI_SIZE", "PMI_RANK"},                         /* MPICH's mpirun, srun --mpi=pmi2 */
    {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},         /* srun, with any --mpi; not set in the batch script */
};

/* If the MPI library does not support the launcher, each of N processes believes that it is the only one. */
static void find_copies(struct world *world)
{
    size_t i = 0, last = sizeof launchers / sizeof *launchers - 1;
    while (i < last && !getenv(launchers[i].size))
        i++;
    if (world->size > 1 || !getenv(launchers[i].number))
        return;
    world->copies = environment_integer(launchers[i].size);
    world->copy = environment_integer(launchers[i].number);
}

static bool has_process_manager(void)
{
    extern char **environ;
    for (char **variable = environ; *variable; variable++)
        if (!strncmp(*variable, "PMI", 3) && strncmp(*variable, "PMIX_MCA_", 9)) /* PMI_RANK, PMIX_RANK; not user settings */
            return true;
    return false;
}

/* In a process that srun started without PMI, for example in its shell, Open MPI 4 refuses to start and prints a page. It
 * recognizes srun by this variable. */
static void hide_srun(void)
{
    if (!has_process_manager())
        unsetenv("SLURM_STEP_ID");
}

int world_refuse_copies(const struct world *world, struct error *why)
{
    enum { FIRST_WORDS = 2 }; /* seconds for the first copy to print: some launchers end all copies as soon as one ends */
    if (world->copies <= 1)
        return 0;
    if (world->copy > 0)
        sleep(FIRST_WORDS);
    error_set(why,
              "%d processes were started together, but each believes that it is the only MPI rank: start them with the mpirun of "
              "%s, also in a shell that srun started, or with 'srun --mpi=pmix' (MPICH: --mpi=pmi2; see 'srun --mpi=list')",
              world->copies, world->library);
    if (world->copy > 0)
        why->text[0] = '\0';
    return -1;
}

/* ---- the ranks ---- */

/* Nodes are numbered by their lowest rank. */
static int find_nodes(struct world *world, struct error *why)
{
    MPI_Comm node = world->state->node;
    int lowest = world->rank;
    if (mpi_check(MPI_Comm_rank(node, &world->node_rank), "MPI_Comm_rank", why) ||
        mpi_check(MPI_Comm_size(node, &world->node_size), "MPI_Comm_size", why) ||
        mpi_check(MPI_Bcast(&lowest, 1, MPI_INT, 0, node), "MPI_Bcast", why))
        return -1;
    int *all = memory_new((size_t)world->size, sizeof *all, "the table of nodes", why);
    if (!all)
        return -1;
    int status = mpi_check(MPI_Allgather(&lowest, 1, MPI_INT, all, 1, MPI_INT, world->state->all), "MPI_Allgather", why);
    for (int rank = 0; !status && rank < world->size; rank++) {
        bool first = all[rank] == rank;
        world->nodes += first;
        world->node += first && rank < lowest;
    }
    free(all);
    return status;
}

static int find_processes(struct world *world, struct error *why)
{
    int own = getpid(), *all = memory_new((size_t)world->node_size, sizeof *all, "the table of processes", why);
    world->state->processes = all;
    return all ? mpi_check(MPI_Allgather(&own, 1, MPI_INT, all, 1, MPI_INT, world->state->node), "MPI_Allgather", why) : -1;
}

static void name_library(struct world *world)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    if (MPI_Get_library_version(text, &length) != MPI_SUCCESS)
        return;
    text[strcspn(text, ",\n")] = 0;
    for (char *tab = strchr(text, '\t'); tab; tab = strchr(tab, '\t')) /* MPICH's */
        *tab = ' ';
    snprintf(world->library, sizeof world->library, "%.*s", (int)sizeof world->library - 1, text);
}

static int name_host(struct world *world, struct error *why)
{
    char host[256] = "";
    snprintf(world->host, sizeof world->host, "?");
    if (gethostname(host, sizeof host - 1))
        return error_set(why, "the host has no name: %m");
    snprintf(world->host, sizeof world->host, "%.*s", (int)sizeof world->host - 1, host);
    return 0;
}

static int start_library(struct world *world, int *argc, char ***argv, struct error *why)
{
    int provided;
    hide_srun();
    if (mpi_check(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread", why))
        return -1;
    if (provided < MPI_THREAD_FUNNELED)
        return error_set(why, "this MPI library allows no threads beside the one that calls it");
    name_library(world);
    return 0;
}

/* Sets up the communicators, so that their errors are returned as statuses, and finds this rank. */
static int find_ranks(struct world *world, struct error *why)
{
    struct world_state *s = world->state;
    if (mpi_check(MPI_Comm_set_errhandler(s->all, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler", why) ||
        mpi_check(MPI_Comm_rank(s->all, &world->rank), "MPI_Comm_rank", why) ||
        mpi_check(MPI_Comm_size(s->all, &world->size), "MPI_Comm_size", why) ||
        mpi_check(MPI_Comm_split_type(s->all, MPI_COMM_TYPE_SHARED, world->rank, MPI_INFO_NULL, &s->node), "MPI_Comm_split_type",
                  why))
        return -1;
    return mpi_check(MPI_Comm_set_errhandler(s->node, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler", why);
}

int world_open(struct world *world, int *argc, char ***argv, struct error *why)
{
    *world = (struct world){.size = 1};
    if (name_host(world, why))
        return -1;
    world->state = memory_new(1, sizeof *world->state, "the communicators", why);
    if (!world->state)
        return -1;
    *world->state = (struct world_state){.all = MPI_COMM_WORLD, .node = MPI_COMM_NULL};
    if (start_library(world, argc, argv, why) || find_ranks(world, why))
        return -1;
    find_copies(world);
    return find_nodes(world, why) || (ONE_EXIT_CODE && find_processes(world, why)) ? -1 : 0;
}

/* Waits up to 2 s for the node's other ranks to end, so that the launcher sees rank 0 end last. */
static void outlast(const int *processes, int count)
{
    const struct timespec tick = {.tv_nsec = 20000000};
    bool others = count > 1;
    for (int ticks = 100; others && ticks > 0; ticks--) {
        nanosleep(&tick, NULL);
        others = false;
        for (int i = 1; i < count; i++)
            others |= !kill(processes[i], 0);
    }
}

int world_close(struct world *world, int code)
{
    bool failed = MPI_Comm_free(&world->state->node) != MPI_SUCCESS;
    failed |= MPI_Finalize() != MPI_SUCCESS;
    if (failed)
        fprintf(stderr, "cifar10_mpi: rank %d on %s: MPI_Comm_free or MPI_Finalize failed\n", world->rank, world->host);
    if (ONE_EXIT_CODE && code && world->rank == 0)
        outlast(world->state->processes, world->node_size);
    free(world->state->processes);
    free(world->state);
    world->state = NULL;
    return failed ? 1 : ONE_EXIT_CODE && world->rank ? 0 : code;
}

void world_end_job(const struct world *world)
{
    int started = 0;
    if (world->state && MPI_Initialized(&started) == MPI_SUCCESS && started)
        MPI_Abort(world->state->all, 1);
    _exit(1);
}

void world_abort(const struct world *world, const char *sentence)
{
    if (sentence[0])
        fprintf(stderr, "cifar10_mpi: rank %d on %s: %s\n", world->rank, world->host, sentence);
    fflush(NULL);
    world_end_job(world);
}

int world_agree(const struct world *world, int status, struct error *why)
{
    int mine[2] = {status ? world->rank : world->size, status ? 1 : 0};
    int lowest[2]; /* the lowest rank that failed; whether all did */
    struct error call;
    if (mpi_check(MPI_Allreduce(mine, lowest, 2, MPI_INT, MPI_MIN, world->state->all), "MPI_Allreduce", &call))
        world_abort(world, call.text);
    int first = lowest[0];
    if (first == world->size)
        return 0;
    if (first == world->rank && !lowest[1])
        error_in(why, "rank %d on %s", world->rank, world->host);
    if (mpi_check(MPI_Bcast(why->text, sizeof why->text, MPI_CHAR, first, world->state->all), "MPI_Bcast", &call))
        world_abort(world, call.text);
    return -1;
}

int world_broadcast(const struct world *world, void *data, size_t bytes, struct error *why)
{
    const size_t piece = 1 << 30; /* MPI counts are ints */
    for (size_t at = 0; at < bytes; at += piece) {
        int count = (int)(bytes - at < piece ? bytes - at : piece);
        if (mpi_check(MPI_Bcast((char *)data + at, count, MPI_BYTE, 0, world->state->all), "MPI_Bcast", why))
            return -1;
    }
    return 0;
}

int world_sum(const struct world *world, int64_t *values, int count, struct error *why)
{
    return mpi_check(MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_INT64_T, MPI_SUM, world->state->all), "MPI_Allreduce",
                     why);
}

int world_gather(const struct world *world, const void *data, size_t bytes, void *all, struct error *why)
{
    return mpi_check(MPI_Gather(data, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, 0, world->state->all),
                     "MPI_Gather", why);
}

int world_barrier(const struct world *world, bool node_only, struct error *why)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* shared memory: what was written before the barrier is seen after it */
    int status = mpi_check(MPI_Barrier(node_only ? world->state->node : world->state->all), "MPI_Barrier", why);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return status;
}
