#include "thread.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

int thread_start(pthread_t *thread, void *(*run)(void *of), void *of)
{
    sigset_t all, before;
    sigfillset(&all);
    int code = pthread_sigmask(SIG_BLOCK, &all, &before); /* a thread inherits the mask of the one that starts it */
    if (code)
        return code;
    code = pthread_create(thread, NULL, run, of);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

void thread_step_back(void)
{
    enum { NICER = 10 };
    int priority = setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICER); /* Linux: of this thread only */
    int policy = pthread_setschedparam(pthread_self(), SCHED_BATCH, &(struct sched_param){0});
    (void)priority; /* a failure is harmless */
    (void)policy;
}
