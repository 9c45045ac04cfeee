/* Requests to stop a run. Every rank receives signals. Rank 0 also watches for the file `stop` in the train-dir, the clock
 * (--max-seconds, and the end of a Slurm job: SLURM_JOB_END_TIME, which newer versions set), and whether the pipe that its output
 * goes to still has a reader. A rank's request travels in the parcel (PARCEL_STOP), so that all ranks stop after the same step. */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "options.h"
#include "parallel.h"

enum stop_cause { STOP_NONE, STOP_SIGNAL, STOP_FILE, STOP_MAX_SECONDS, STOP_SLURM, STOP_OUTPUT };

struct stop {
    bool watches; /* this rank watches the file, the clock and the output: rank 0 */
    char file[OPTION_TEXT + 8];
    int64_t max_seconds;
    double ends_at;          /* clock_seconds by which the run must be over; INFINITY */
    enum stop_cause ends_by; /* STOP_MAX_SECONDS or STOP_SLURM, where ends_at comes from */
    enum stop_cause cause;   /* why this rank requests a stop */
    bool by_file;            /* whether the file `stop` stopped the run; set by stop_tell, the same on all ranks */
    double asked_at, looked_at; /* when stop_wanted was last called; when it last looked for the file */
    double pace;             /* seconds between calls: the longest recent interval */
    int under_way;           /* set by the owner: blocks of steps still unfinished when stop_wanted is called */
    void *stack;             /* of the signal handler */
};

/* Not collective. From here on SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU and, unless it is ignored (nohup), SIGHUP are noted,
 * and SIGPIPE is ignored. A second signal ends the process at once, as that signal does by default, except SIGHUP and SIGXCPU,
 * which may be sent repeatedly. A signal within 0.2 s of the first is ignored: Slurm and mpirun may both send the same one.
 * Call stop_close in either case. */
int stop_open(struct stop *stop, const struct options *options, bool watches, struct error *why);
void stop_close(struct stop *stop);

/* Not collective; call before each block of steps. Whether this rank requests a stop after it; once true, always true.
 * saving: seconds that writing a checkpoint takes. Cheap: reads the clock, and once a second checks the file and the output. */
bool stop_wanted(struct stop *stop, double saving);

/* Collective; call after the run was stopped and saved. Writes the cause to rank 0's text ("SIGUSR1 on rank 1", ...). If the cause
 * was the file `stop`, removes it, so that the next run is not stopped. */
enum { STOP_TEXT = 512 };
void stop_tell(struct stop *stop, const struct world *world, char text[STOP_TEXT]);

#endif
