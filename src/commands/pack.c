#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "pack.h"

/* The names of unfinished files, which the signal handler removes. */
static struct pack_unfinished unfinished;

static void remove_unfinished(int signal_number)
{
    unlink(unfinished.packed);
    unlink(unfinished.download);
    raise(signal_number); /* SA_RESETHAND has restored the default action, which ends the program */
}

static void watch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = remove_unfinished, .sa_flags = SA_RESETHAND}, before;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (!sigaction(signals[i], NULL, &before) && before.sa_handler != SIG_IGN) /* not under nohup, which ignores SIGHUP */
            sigaction(signals[i], &action, NULL);
}

/* Rank 0 only. */
static int pack_from_options(const struct options *options, struct error *why)
{
    bool no_md5 = strcmp(options->md5, "none") == 0;
    struct pack_request request = {
        .from = options->from,
        .download = options->download,
        .url = options->url[0] ? options->url : NULL,
        .md5 = no_md5 ? "" : options->md5[0] ? options->md5 : NULL,
        .output = options->files[0],
        .image_size = (int)options->image_size,
        .resize = options->resize,
        .test_share = options->test_share,
        .classes = options->classes[0] ? options->classes : NULL,
        .allow_missing_classes = options->allow_missing_classes,
        .skip_bad = options->skip_bad,
        .progress = options->progress,
    };
    watch_signals();
    return pack_run(&request, &unfinished, why);
}

int command_pack(const struct options *options, const struct world *world)
{
    struct error why = {""};
    int status = world_agree(world, world->rank == 0 ? pack_from_options(options, &why) : 0, &why);
    if (status && world->rank == 0)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    return status ? 1 : 0;
}
