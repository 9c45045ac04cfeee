#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>

/* Starts run(of) in a thread with all signals blocked, so that the main thread receives them. 0, or an error number. */
int thread_start(pthread_t *thread, void *(*run)(void *of), void *of);

/* Lowers this thread's priority: on a core shared with a tower it then takes a tenth of the time and never preempts the tower, so
 * no step takes long. */
void thread_step_back(void);

#endif
