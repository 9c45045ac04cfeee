#include "thread.h"

#include <signal.h>

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
