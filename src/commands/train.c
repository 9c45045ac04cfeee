/* cifar10_mpi train. */
#include <stdio.h>

#include "commands.h"
#include "run.h"

/* Saved, with work left: EX_TEMPFAIL of sysexits.h; or so because of the file `stop`, which somebody made: it is not to be started
 * again by itself. A signal may be a scheduler's, and says nothing of that. */
enum { EXIT_TRY_AGAIN = 75, EXIT_ASKED = 76 };

int command_train(const struct options *options, const struct world *world)
{
    struct run run;
    struct error why;
    bool stopped = false;
    int status = run_open(&run, options, world, &why);
    if (!status)
        status = run_steps(&run, &stopped, &why);
    report_clear(&run.report); /* what may come is a line of its own */
    if (status < 0 && run.ready) {
        phases_close(&run.phases);    /* so that no other rank reports this one as dead */
        world_abort(world, why.text); /* a lone exit would strand the peers in a collective */
    }
    if (!status)
        status = run_finish(&run, stopped, &why);
    if (status && world->rank == 0)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    run_close(&run);
    if (status)
        return 1;
    if (!stopped || run.state.step == run.last_step)
        return 0;
    return run.stop.by_file ? EXIT_ASKED : EXIT_TRY_AGAIN;
}
