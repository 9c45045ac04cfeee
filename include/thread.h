#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>

/* Starts run(of) in a thread with all signals blocked, so that the main thread receives them. 0, or an error number. */
int thread_start(pthread_t *thread, void *(*run)(void *of), void *of);

#endif
