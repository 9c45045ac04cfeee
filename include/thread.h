#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>

/* Starts run(of) in a thread in which signals are blocked, so that the main thread gets them. 0, or pthread_create's error
 * number. */
int thread_start(pthread_t *thread, void *(*run)(void *of), void *of);

#endif
