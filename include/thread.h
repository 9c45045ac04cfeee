#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>

/* Starts run(of) in a thread that signals are kept from: they are left to the main thread. 0, or pthread_create's error number. */
int thread_start(pthread_t *thread, void *(*run)(void *of), void *of);

#endif
