#include "stop.h"

#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

enum { SIGNAL_STACK = 1 << 16 };
enum { SLURM_RESERVE = 60 }; /* seconds before the job's end by which the run must have ended */
enum { ENDING = 2 };         /* seconds for starting and ending MPI, which stop_wanted cannot measure, and a margin */
static const double ECHO_SECONDS = 0.2;

/* Not SIGQUIT, by which Ctrl-\ ends a program at once with a core file, nor SIGALRM, the stall watch's last resort. */
static const struct {
    int number;
    const char *name;
} signals[] = {{SIGINT, "SIGINT"},   {SIGTERM, "SIGTERM"}, {SIGUSR1, "SIGUSR1"},
               {SIGUSR2, "SIGUSR2"}, {SIGHUP, "SIGHUP"},   {SIGXCPU, "SIGXCPU"}};
enum { SIGNALS = sizeof signals / sizeof *signals };

/* ---- signals ---- */

/* The only global state, as a signal handler has no argument for it. */
static volatile sig_atomic_t noted; /* the first signal */
static double noted_at;

/* Shell and system may both send SIGHUP for one hangup; beyond the soft limit of CPU time, SIGXCPU comes every second. */
static bool repeats_itself(int number)
{
    return number == SIGHUP || number == SIGXCPU;
}

static void note(int number)
{
    double now = clock_seconds();
    if (!noted) {
        noted_at = now;
        noted = number;
    } else if (now - noted_at > ECHO_SECONDS && !repeats_itself(number)) {
        signal(number, SIG_DFL);
        raise(number); /* delivered when the handler returns */
    }
}

/* SIGHUP stays ignored under nohup. */
static bool stays_ignored(int number)
{
    struct sigaction before;
    return number == SIGHUP && !sigaction(number, NULL, &before) && before.sa_handler == SIG_IGN;
}

/* The handler uses its own stack. Without one, about one in twenty runs that received a signal ended with a corrupted heap: code
 * that libraries generate at run time seems to keep values below the stack pointer, where a signal's frame overwrites them. */
static int hear_signals(struct stop *stop, struct error *why)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_ONSTACK | SA_RESTART};
    stack_t stack = {.ss_size = SIGNAL_STACK};
    stack.ss_sp = stop->stack = memory_new(SIGNAL_STACK, 1, "the signals' stack", why);
    if (!stack.ss_sp)
        return -1;
    if (sigaltstack(&stack, NULL))
        return error_set(why, "signals cannot have a stack: %m");
    for (int i = 0; i < SIGNALS; i++)
        sigaddset(&action.sa_mask, signals[i].number);
    for (int i = 0; i < SIGNALS; i++)
        if (!stays_ignored(signals[i].number) && sigaction(signals[i].number, &action, NULL))
            return error_set(why, "%s cannot be watched: %m", signals[i].name);
    signal(SIGPIPE, SIG_IGN); /* look() checks whether the output still has a reader */
    return 0;
}

/* ---- the clock ---- */

/* Seconds until Slurm ends the job. An end in the past belongs to another job, whose environment was inherited. */
static double slurm_left(void)
{
    const char *text = getenv("SLURM_JOB_END_TIME");
    char *end;
    if (!text)
        return INFINITY;
    double left = (double)strtoll(text, &end, 10) - (double)time(NULL);
    return end == text || *end || left <= 0 ? INFINITY : left;
}

static void set_end(struct stop *stop)
{
    double now = clock_seconds(), slurm = now + slurm_left() - SLURM_RESERVE;
    stop->ends_at = stop->max_seconds ? now + (double)stop->max_seconds : INFINITY;
    stop->ends_by = STOP_MAX_SECONDS;
    if (slurm < stop->ends_at) {
        stop->ends_at = slurm;
        stop->ends_by = STOP_SLURM;
    }
}

/* Whether to request a stop now. Allows for the blocks under way and two more: the next one and, if the request comes only at the
 * next call, the one after it. Allows for two checkpoints: the last one may have to wait for one that is being written. */
static bool time_is_up(const struct stop *stop, double now, double saving)
{
    return now + (2 + stop->under_way) * stop->pace + 2 * saving + ENDING >= stop->ends_at;
}

/* ---- the output ---- */

/* Whether the output is a pipe without a reader. A closed terminal does not count: its user may have left the run on purpose. */
static bool output_closed(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO};
    return poll(&output, 1, 0) == 1 && (output.revents & POLLERR) && !(output.revents & POLLHUP);
}

/* ---- all of it ---- */

int stop_open(struct stop *stop, const struct options *options, bool watches, struct error *why)
{
    memset(stop, 0, sizeof *stop);
    stop->watches = watches;
    stop->max_seconds = options->max_seconds;
    snprintf(stop->file, sizeof stop->file, "%s/stop", options->train_dir);
    set_end(stop);
    return hear_signals(stop, why);
}

void stop_close(struct stop *stop)
{
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL); /* no effect if it was not set */
    free(stop->stack);
    stop->stack = NULL;
}

static enum stop_cause look(struct stop *stop, double now, double saving)
{
    if (noted)
        return STOP_SIGNAL;
    if (!stop->watches)
        return STOP_NONE;
    if (time_is_up(stop, now, saving))
        return stop->ends_by;
    if (now - stop->looked_at < 1)
        return STOP_NONE;
    stop->looked_at = now;
    if (!access(stop->file, F_OK))
        return STOP_FILE;
    return output_closed() ? STOP_OUTPUT : STOP_NONE;
}

bool stop_wanted(struct stop *stop, double saving)
{
    double now = clock_seconds();
    if (stop->asked_at > 0) /* a single slow step loses its effect after about a thousand */
        stop->pace = fmax(now - stop->asked_at, 0.999 * stop->pace);
    stop->asked_at = now;
    if (stop->cause == STOP_NONE)
        stop->cause = look(stop, now, saving);
    return stop->cause != STOP_NONE;
}

/* counts: number of ranks that received each signal. rank_sum: sum of their ranks, so with one rank its number. */
static void tell_signals(const int64_t *counts, int64_t rank_sum, int size, char text[STOP_TEXT])
{
    int64_t ranks = 0;
    int length = 0;
    for (int i = 0; i < SIGNALS; i++)
        ranks += counts[i];
    for (int i = 0; i < SIGNALS; i++)
        if (counts[i] && ranks == 1)
            snprintf(text, STOP_TEXT, "%s on rank %" PRId64, signals[i].name, rank_sum);
        else if (counts[i])
            length += snprintf(text + length, STOP_TEXT - (size_t)length, "%s%s on %" PRId64 " of %d ranks",
                               length ? ", " : "", signals[i].name, counts[i], size);
}

static void tell_file(const struct stop *stop, char text[STOP_TEXT])
{
    if (unlink(stop->file))
        snprintf(text, STOP_TEXT, "the file stop, which cannot be removed (%m)");
    else
        snprintf(text, STOP_TEXT, "the file stop, now removed");
}

void stop_tell(struct stop *stop, const struct world *world, char text[STOP_TEXT])
{
    int64_t sums[SIGNALS + 2] = {0}; /* ranks that received each signal; the sum of their numbers; whether it was the file */
    struct error why;
    for (int i = 0; i < SIGNALS; i++)
        sums[i] = noted == signals[i].number;
    sums[SIGNALS] = noted ? world->rank : 0;
    sums[SIGNALS + 1] = stop->cause == STOP_FILE;
    if (world_sum(world, sums, SIGNALS + 2, &why))
        world_abort(world, why.text);
    stop->by_file = sums[SIGNALS + 1] > 0;
    if (stop->cause == STOP_FILE)
        tell_file(stop, text);
    else if (stop->cause == STOP_MAX_SECONDS)
        snprintf(text, STOP_TEXT, "--max-seconds %" PRId64, stop->max_seconds);
    else if (stop->cause == STOP_OUTPUT)
        snprintf(text, STOP_TEXT, "nobody reads the output");
    else if (stop->cause == STOP_SLURM)
        snprintf(text, STOP_TEXT, "Slurm ends the job soon");
    else
        tell_signals(sums, sums[SIGNALS], world->size, text);
}
