/* cifar10_mpi train. */
#include <stdio.h>

#include "commands.h"
#include "run.h"

/* Stopped and saved with work left. 75 is EX_TEMPFAIL of sysexits.h: run it again. 76: a person created the file `stop`, so a
 * script should not run it again. A signal may come from a scheduler, and counts as 75. */
enum { EXIT_TRY_AGAIN = 75, EXIT_ASKED = 76 };

int command_train(const struct options *options, const struct world *world)
{
    struct run run;
    struct error why;
    bool stopped = false;
    int status = run_open(&run, options, world, &why);
    if (!status)
        status = run_steps(&run, &stopped, &why);
    progress_clear(&run.report.progress); /* an error may be printed next */
    if (status < 0 && run.ready) {
        phases_close(&run.phases);    /* otherwise another rank would report this one as dead */
        world_abort(world, why.text); /* if only this rank exited, the others would wait in a collective for ever */
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
