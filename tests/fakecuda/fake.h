/* The referee: CUDA's runtime, cublasLt, cuDNN and NCCL on a CPU, exactly the part of them that the cudnn backend uses, as
 * libraries of the same names (libcudart.so.13, libcublasLt.so.13, libcudnn.so.9, libnccl.so.2), compiled against NVIDIA's own
 * headers. It is lazy and strict: what is enqueued runs only when something waits for it, in an order drawn from a seed among
 * those that streams and events allow; device memory faults when the host touches it; fresh memory is full of NaN.
 *
 * What the libraries share is in the fake libcudart.so.13 (fake_*), and the others link it.
 *
 *   FAKECUDA_SEED=N        of the order (default 1); also the order of blocks and threads within a kernel
 *   FAKECUDA_DEVICES=N     devices that there are (default 1; 0: none, cudaErrorNoDevice; -1: no driver); of them
 *                          CUDA_VISIBLE_DEVICES (indices) leaves those that it names
 *   FAKECUDA_MIG=N         N of them are instances of one GPU (default 1): one PCI id, but each a UUID of its own
 *   FAKECUDA_NODE=N        another node's devices have the same PCI ids, but other UUIDs (default 0; -1: none, all bytes are 0)
 *   FAKECUDA_MEMORY=BYTES  of a device (default 2 GiB)
 *   FAKECUDA_FAIL=NAME:K   the K-th call (1, 2, ...) of that function fails, with a status that it documents; NAME:K+: those
 *                          behind it too; "early launch" is a name as well, of launches that may overlap;
 *                  run:NAME:K: the K-th run of that work (a kernel's name, or the call that enqueued it) ends as a bad
 *                          address does: the call that waits for it, and every call from then on, tells of it;
 *                          of several wishes there are commas between
 *   FAKECUDA_NO_EPILOGUES="N M"  numbers of cublasLtEpilogue_t for which cublasLt offers no algorithm
 *   FAKECUDA_ENGINES=N,N   cuDNN has only those of its engines (cudnn_engines.c), and suggests them in that order (default: all of
 *                          them, in an order by the seed)
 *   FAKECUDA_COUNT=FILE    at exit, appends "call NAME N" for every function and "run NAME N" for all work that was done
 *                          (by a graph, too); "call early launch N": of kernels that may start before those before them end
 *   FAKECUDA_PATIENCE=S    how long ranks of NCCL wait for each other (default 60 s)
 * At exit it does what is still queued, names on standard error what was not given back (memory, streams, events, graphs,
 * handles, descriptors) and ends the process with code 86; a misuse that CUDA would not report ends it at once with code 87
 * and a sentence "fakecuda: ...".
 *
 * Stricter than the hardware may be on a good day, as its manual says: cudaMemset and a cudaMemcpy from pageable memory may
 * return before they are done, and a non-blocking stream does not wait for them; memory may be freed (cudaFree) only after the
 * work that uses it; an asynchronous copy wants pinned memory; in a capture nothing synchronises. Work of several processes
 * that wait for each other (NCCL) must be waited for by all of them: nothing runs on its own. One thread only. */
#ifndef FAKE_H
#define FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All else in these libraries is hidden (-fvisibility=hidden). */
#pragma GCC visibility push(default)
#include <cuda_runtime_api.h>

/* Every exported function begins with this: counts the call; true where it is to fail (FAKECUDA_FAIL). name: a literal. */
bool fake_call(const char *name);
/* How often it was called until now, from the host. */
long fake_calls(const char *name);

/* A misuse: one sentence, exit code 87. */
void fake_misuse(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Whether [at, at + bytes) lies in one live allocation of the current device. Host code may not read it. */
bool fake_is_device(const void *at, size_t bytes);
/* Whether all of it lies in pinned (or registered) host memory. */
bool fake_is_pinned(const void *at, size_t bytes);

/* Enqueues work on a stream, or records it where the stream is captured: run(state) is called when its turn comes, with device
 * memory accessible, perhaps several times (a graph). It calls no function of these libraries but fake_misuse, fake_shuffle,
 * fake_takes and fake_is_*. state is copied (bytes) now. what: for messages and counts, a literal.
 * Errors as the runtime's (a stream that is none, an invalidated capture). */
cudaError_t fake_enqueue(cudaStream_t stream, const char *what, void (*run)(const void *state), const void *state,
                         size_t bytes);
/* The work that runs takes so long, by the clock of events. */
void fake_takes(double milliseconds);
/* The number of the capture that the stream is in (calls that are illegal then fail as documented); 0: none. */
unsigned long fake_capture(cudaStream_t stream);
/* As cudaStreamSynchronize, which it does not count: illegal in a capture, which is invalid then. */
cudaError_t fake_wait(cudaStream_t stream);
/* A library leaves an error, as a kernel does that cannot be launched: cudaGetLastError tells it, and takes it away. */
void fake_leave(cudaError_t error);
/* The last error of any call, which nobody has taken away. */
cudaError_t fake_left(void);
/* The device that is current, as the node numbers it (before CUDA_VISIBLE_DEVICES); -1: there is none. */
int fake_device(void);
/* And the GPU that it is, or is an instance of, on whatever node. */
int fake_gpu(void);

/* Things that must be given back: kind is a literal ("cudnnHandle"). */
void fake_taken(const char *kind, const void *object);
/* False where it is not there (given back twice, or never taken). */
bool fake_given_back(const char *kind, const void *object);
bool fake_is_taken(const char *kind, const void *object);
/* Whether anything of that kind is. */
bool fake_any_taken(const char *kind);

/* 0, 1, ..., n - 1 in a random order (FAKECUDA_SEED, and how often it was asked before). */
void fake_shuffle(size_t *order, size_t n);

/* ---- twins: the module's own kernels on the CPU (twins.c, from the same text) ---- */

/* Runs a kernel of that device name with its arguments struct (args[0]); false where there is none of that name, or block is
 * not the size it was written for. Blocks in random order, and in each phase the threads too. */
bool twin_run(const char *name, dim3 grid, dim3 block, const void *arguments);
/* Bytes of its arguments struct; 0: there is no such kernel. */
size_t twin_argument_bytes(const char *name);
/* A program that defines both itself has its own kernels instead (referee.h). */

#pragma GCC visibility pop

#endif
