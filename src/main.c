/* Command line → command. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "error.h"
#include "options.h"
#include "parallel.h"

/* Only rank 0 parses the options and prints help or mistakes; it sends the outcome and the options to all ranks. */
static enum options_outcome parse(const struct world *world, struct options *options, int argc, char **argv)
{
    enum options_outcome outcome = OPTIONS_RUN;
    struct error why;
    if (world->rank == 0)
        outcome = options_parse(options, argc, argv);
    if (world_broadcast(world, &outcome, sizeof outcome, &why) ||
        world_broadcast(world, options, sizeof *options, &why))
        world_abort(world, why.text);
    return outcome;
}

/* Only train refuses copies (world_refuse_copies): those of other commands repeat each other, but do no harm. */
static int train(const struct options *options, const struct world *world)
{
    struct error why;
    if (!world_refuse_copies(world, &why))
        return command_train(options, world);
    if (why.text[0])
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    return 1;
}

static int run_command(const struct options *options, const struct world *world)
{
    switch (options->command) {
    case COMMAND_TRAIN: return train(options, world);
    case COMMAND_EVAL: return command_eval(options, world);
    case COMMAND_PACK: return command_pack(options, world);
    case COMMAND_PREDICT: return command_predict(options, world);
    case COMMAND_INSPECT: return command_inspect(options, world);
    case COMMAND_BENCH: return command_bench(options, world);
    case COMMAND_REPORT: return command_report(options, world);
    case COMMAND_COMPARE: return command_compare(options, world);
    }
    return 2;
}

/* Output that could not be written is a failure, too. */
static int check_printed(int code)
{
    if ((!fflush(stdout) && !ferror(stdout)) || code)
        return code;
    fprintf(stderr, "cifar10_mpi: standard output could not be written to its end\n");
    return 1;
}

/* HDF5 ends the program without a message if it has no memory for its own tables. */
static void tell_library_end(int code, void *unused)
{
    (void)unused;
    if (code == 255)
        fprintf(stderr, "cifar10_mpi: a library ended the program (exit code %d): is there memory left?\n", code);
}

int main(int argc, char **argv)
{
    struct options options;
    struct world world;
    struct error why;
    on_exit(tell_library_end, NULL);
    signal(SIGXFSZ, SIG_IGN); /* write(2) then fails at a file size limit, and the error is printed */
    if (world_open(&world, &argc, &argv, &why))
        world_abort(&world, why.text);
    enum options_outcome outcome = parse(&world, &options, argc, argv);
    int code = outcome == OPTIONS_DONE ? 0 : outcome == OPTIONS_WRONG ? 2 : run_command(&options, &world);
    return check_printed(world_close(&world, code));
}
