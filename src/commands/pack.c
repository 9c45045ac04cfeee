#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "data.h"

/* Whether a person sees standard error on a terminal that can draw. */
static bool is_terminal(void)
{
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) && kind && strcmp(kind, "dumb");
}

/* Rank 0 only. */
static int pack(const struct options *options, struct error *why)
{
    bool no_md5 = strcmp(options->md5, "none") == 0;
    struct pack_request request = {
        .from = options->from,
        .download = options->download,
        .url = options->url[0] ? options->url : NULL,
        .md5 = no_md5 ? "" : options->md5[0] ? options->md5 : NULL,
        .output = options->files[0],
        .image_size = (int)options->image_size,
        .progress = is_terminal(),
    };
    return pack_run(&request, why);
}

int command_pack(const struct options *options, const struct world *world)
{
    struct error why = {""};
    int status = world_agree(world, world->rank == 0 ? pack(options, &why) : 0, &why);
    if (status && world->rank == 0)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    return status ? 1 : 0;
}
