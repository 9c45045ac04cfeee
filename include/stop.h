/* Everything that asks a run to stop. Each rank hears signals; rank 0 alone also looks for the file `stop` in the train-dir and
 * at the clock (--max-seconds, and the end of a Slurm job: SLURM_JOB_END_TIME, which newer versions set), and sees whether the
 * pipe that its output goes to is still read. What a rank wants travels in the parcel (PARCEL_STOP), so that all ranks stop
 * behind the same step. */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "options.h"
#include "parallel.h"

enum stop_cause { STOP_NONE, STOP_SIGNAL, STOP_FILE, STOP_MAX_SECONDS, STOP_SLURM, STOP_OUTPUT };

struct stop {
    bool watches; /* the file, the clock and the output: rank 0 */
    char file[OPTION_TEXT + 8];
    int64_t max_seconds;
    double ends_at;          /* clock_seconds by which the run must be over; INFINITY */
    enum stop_cause ends_by; /* whose end that is */
    enum stop_cause cause;   /* what this rank was stopped by */
    bool by_file;            /* what the run was stopped by, the same on all ranks: somebody wants it to end (stop_tell) */
    double asked_at, looked_at; /* when stop_wanted was last called, when it last looked for the file */
    double pace;             /* seconds from call to call, the longest of late */
    int under_way;           /* the owner's: steps that are not done when stop_wanted is called for the next one */
    void *stack;             /* the signal handler's */
};

/* Not collective. From here on SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU and, unless it is ignored (nohup), SIGHUP are noted,
 * and SIGPIPE is ignored. A second signal ends the process at once, as that signal does by default, except SIGHUP and SIGXCPU,
 * which repeat themselves. What comes within 0.2 s of the first is the first once more: Slurm and mpirun may both send it.
 * stop_close is due in either case. */
int stop_open(struct stop *stop, const struct options *options, bool watches, struct error *why);
void stop_close(struct stop *stop);

/* Not collective, before each step: whether this rank wants the run to stop behind it; once true, always true. saving: seconds
 * that writing a checkpoint takes. Cheap: no more than the clock is read, and once a second the directory and the state of
 * the output. */
bool stop_wanted(struct stop *stop, double saving);

/* Collective, once the run has stopped and is saved: what it was, into rank 0's text ("SIGUSR1 on rank 1", ...). Removes the
 * file `stop` where that was it, so that the next run goes on. */
enum { STOP_TEXT = 512 };
void stop_tell(struct stop *stop, const struct world *world, char text[STOP_TEXT]);

#endif
