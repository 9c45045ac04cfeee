/* The referee: the parts of CUDA's runtime, cublasLt, cuDNN and NCCL that the cudnn backend uses, on a CPU. They are libraries
 * of the same names (libcudart.so.13, libcublasLt.so.13, libcudnn.so.9, libnccl.so.2), compiled against NVIDIA's own headers.
 * The referee is lazy and strict. Enqueued work runs only when something waits for it, in an order drawn from a seed among those
 * that streams and events allow; device memory faults when the host touches it; fresh memory is full of NaN.
 *
 * The fake libcudart.so.13 has what the libraries share (fake_*); the others link it.
 *
 *   FAKECUDA_SEED=N        seed of the order (default 1), also of the order of blocks and threads within a kernel
 *   FAKECUDA_DEVICES=N     number of devices (default 1; 0: none, cudaErrorNoDevice; -1: no driver); CUDA_VISIBLE_DEVICES
 *                          (indices) keeps only those that it names
 *   FAKECUDA_MIG=N         N of them are instances of one GPU (default 1): they share a PCI id, but each has its own UUID
 *   FAKECUDA_NODE=N        another node's devices have the same PCI ids, but other UUIDs (default 0; -1: UUIDs of zeros)
 *   FAKECUDA_MEMORY=BYTES  memory of a device (default 2 GiB)
 *   FAKECUDA_FAIL=NAME:K   the K-th call (1, 2, ...) of that function fails, with a status that it documents; NAME:K+: later
 *                          ones fail too. NAME may be "early launch": launches that may overlap.
 *                  run:NAME:K: the K-th run of that work (a kernel's name, or the call that enqueued it) ends like a bad
 *                          address: the call that waits for it and every later call report it.
 *                          Commas separate several of these
 *   FAKECUDA_NO_EPILOGUES="N M"  numbers of cublasLtEpilogue_t for which cublasLt offers no algorithm
 *   FAKECUDA_ENGINES=N,N   cuDNN has only these engines (cudnn_engines.c), and suggests them in this order (default: all of
 *                          them, in an order by the seed)
 *   FAKECUDA_COUNT=FILE    at exit, appends "call NAME N" for every function and "run NAME N" for all work that was done
 *                          (also by a graph); "call early launch N": kernels that may start before the previous one ends
 *   FAKECUDA_PATIENCE=S    how long ranks of NCCL wait for each other (default 60 s)
 * At exit it does the work that is still queued, names on standard error what was not given back (memory, streams, events,
 * graphs, handles, descriptors) and then ends the process with code 86. A misuse that CUDA would not report ends the process at
 * once with code 87 and a message "fakecuda: ...".
 *
 * It is as strict as the manual allows, stricter than the hardware usually is: cudaMemset and a cudaMemcpy from pageable memory
 * may return before they are done, and a non-blocking stream does not wait for them; memory may be freed (cudaFree) only after
 * the work that uses it; an asynchronous copy needs pinned memory; nothing synchronises in a capture. If work of several
 * processes waits for each other (NCCL), all of them must wait for it: nothing runs by itself. Only one thread may call. */
#ifndef FAKE_H
#define FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Everything else in these libraries is hidden (-fvisibility=hidden). */
#pragma GCC visibility push(default)
#include <cuda_runtime_api.h>

/* Every exported function begins with this: counts the call, and returns whether it must fail (FAKECUDA_FAIL). name: a
 * literal. */
bool fake_call(const char *name);
/* How often the host has called that function. */
long fake_calls(const char *name);

/* Reports a misuse, and exits with code 87. */
void fake_misuse(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Whether [at, at + bytes) lies in one live allocation of the current device. Host code may not read it. */
bool fake_is_device(const void *at, size_t bytes);
/* Whether all of it lies in pinned (or registered) host memory. */
bool fake_is_pinned(const void *at, size_t bytes);

/* Enqueues work on a stream, or records it if the stream is captured: run(state) is called when its turn comes, with device
 * memory accessible; in a graph, perhaps several times. It may call no function of these libraries but fake_misuse, fake_shuffle,
 * fake_takes and fake_is_*. state (bytes) is copied now. what: a literal, for messages and counts. Returns errors as the runtime
 * does (an invalid stream, an invalidated capture). */
cudaError_t fake_enqueue(cudaStream_t stream, const char *what, void (*run)(const void *state), const void *state,
                         size_t bytes);
/* The running work takes that long, by the clock of events. */
void fake_takes(double milliseconds);
/* The number of the capture that the stream is in (calls that are illegal then fail as documented); 0: none. */
unsigned long fake_capture(cudaStream_t stream);
/* As cudaStreamSynchronize, but not counted: illegal in a capture, which it invalidates. */
cudaError_t fake_wait(cudaStream_t stream);
/* Leaves an error, as a kernel that cannot be launched does; cudaGetLastError returns and clears it. */
void fake_leave(cudaError_t error);
/* The last error of any call that has not been cleared. */
cudaError_t fake_left(void);
/* The current device's number on the node (before CUDA_VISIBLE_DEVICES); -1: there is none. */
int fake_device(void);
/* The number of its GPU, distinct across nodes. */
int fake_gpu(void);

/* Objects that must be given back. kind: a literal ("cudnnHandle"). */
void fake_taken(const char *kind, const void *object);
/* False if there is no such object (given back twice, or never taken). */
bool fake_given_back(const char *kind, const void *object);
bool fake_is_taken(const char *kind, const void *object);
/* Whether any object of that kind is taken. */
bool fake_any_taken(const char *kind);

/* Writes 0, 1, ..., n - 1 in a random order, which depends on FAKECUDA_SEED and on earlier draws. */
void fake_shuffle(size_t *order, size_t n);

/* ---- twins: the module's own kernels on the CPU (twins.c, from the same source) ---- */

/* Runs the kernel of that device name with its arguments struct (args[0]); false if there is none of that name, or the block has
 * another size than it was written for. Blocks run in random order, and so do threads in each phase. */
bool twin_run(const char *name, dim3 grid, dim3 block, const void *arguments);
/* Bytes of its arguments struct; 0 if there is no such kernel. */
size_t twin_argument_bytes(const char *name);
/* A program that defines both functions has its own kernels instead (referee.h). */

#pragma GCC visibility pop

#endif
