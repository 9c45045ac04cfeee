/* Loaded before the C library (LD_PRELOAD): makes a chosen call of the program fail, and counts calls. Environment variables:
 *
 *   FAULT_CALL   read, write, fsync, rename, open, close, truncate, unlink, mmap or malloc: a kind of call (see below)
 *   FAULT_AT     the number of the call that fails, counted from 1; 0: none fails, calls are only counted
 *   FAULT_TIMES  the number of calls that fail from there on (1)
 *   FAULT_ERRNO  the value of errno; SHORT: a read or write transfers only half of the bytes, without an error
 *   FAULT_PATH   counts only calls for files with this text in their path (does not apply to malloc)
 *   FAULT_FROM   counts only calls of malloc from a library or program with this text in its path
 *   FAULT_RANK   counts only calls of this rank (0)
 *   FAULT_COUNT  the file to which the number of calls is written when the program ends
 *
 * Calls inside the C library cannot be intercepted. So streams of files that match FAULT_PATH are implemented here, by calls that
 * can be. A call that fails does nothing, except that a failed close still closes the file, as on Linux. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MODULES_MAX = 512, SHORT = -1 };

static struct {
    const char *call, *path, *count_file; /* call NULL: no call fails in this process */
    long at, times;
    int error;
    atomic_long count;
    struct {
        uintptr_t first, end;
    } modules[MODULES_MAX]; /* address ranges of the code whose calls of malloc count */
    int module_count;
} fault;

static const char *setting(const char *name, const char *otherwise)
{
    const char *text = getenv(name);
    return text ? text : otherwise;
}

static int note_module(struct dl_phdr_info *module, size_t size, void *wanted)
{
    (void)size;
    const char *name = module->dlpi_name[0] ? module->dlpi_name : program_invocation_name;
    for (int i = 0; strstr(name, wanted) && i < module->dlpi_phnum && fault.module_count < MODULES_MAX; i++) {
        const ElfW(Phdr) *part = &module->dlpi_phdr[i];
        uintptr_t first = module->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && part->p_flags & PF_X) {
            fault.modules[fault.module_count].first = first;
            fault.modules[fault.module_count++].end = first + part->p_memsz;
        }
    }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    if (strcmp(program_invocation_short_name, "cifar10_mpi") || /* programs that it starts inherit the environment */
        atoi(setting("OMPI_COMM_WORLD_RANK", "0")) != atoi(setting("FAULT_RANK", "0")))
        return;
    fault.at = atol(setting("FAULT_AT", "0"));
    fault.times = atol(setting("FAULT_TIMES", "1"));
    fault.path = setting("FAULT_PATH", "");
    fault.error = strcmp(setting("FAULT_ERRNO", ""), "SHORT") ? atoi(setting("FAULT_ERRNO", "5")) : SHORT;
    fault.count_file = getenv("FAULT_COUNT");
    dl_iterate_phdr(note_module, (void *)setting("FAULT_FROM", ""));
    fault.call = getenv("FAULT_CALL");
}

__attribute__((destructor)) static void end(void)
{
    const char *file = fault.count_file;
    long count = fault.count;
    bool meant = fault.call;
    fault.call = NULL;
    FILE *stream = meant && file ? fopen(file, "w") : NULL;
    if (stream) {
        fprintf(stream, "%ld\n", count);
        fclose(stream);
    }
}

/* Counts a call; true if it must fail. */
static bool fails(void)
{
    long number = ++fault.count;
    if (!fault.at || number < fault.at || number >= fault.at + fault.times)
        return false;
    errno = fault.error == SHORT ? errno : fault.error; /* a short read or write sets no errno */
    return true;
}

static bool is(const char *call)
{
    return fault.call && !strcmp(fault.call, call);
}

static bool path_fails(const char *call, const char *path)
{
    return is(call) && strstr(path, fault.path) && fails();
}

static void path_of(int descriptor, char *path, size_t size)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, size - 1);
    path[length > 0 ? length : 0] = '\0';
}

static bool descriptor_fails(const char *call, int descriptor)
{
    char path[4096];
    if (!is(call))
        return false;
    path_of(descriptor, path, sizeof path);
    return path_fails(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* ---- files ---- */

/* The number of bytes to pass to the real call; -1: the call fails. */
static ssize_t part(const char *call, int descriptor, size_t bytes)
{
    if (!descriptor_fails(call, descriptor))
        return (ssize_t)bytes;
    return fault.error == SHORT ? (ssize_t)(bytes + 1) / 2 : -1;
}

ssize_t write(int descriptor, const void *data, size_t bytes)
{
    ssize_t left = part("write", descriptor, bytes);
    return left < 0 ? left : REAL(write)(descriptor, data, (size_t)left);
}

ssize_t pwrite(int descriptor, const void *data, size_t bytes, off_t at)
{
    ssize_t left = part("write", descriptor, bytes);
    return left < 0 ? left : REAL(pwrite)(descriptor, data, (size_t)left, at);
}

ssize_t read(int descriptor, void *data, size_t bytes)
{
    ssize_t left = part("read", descriptor, bytes);
    return left < 0 ? left : REAL(read)(descriptor, data, (size_t)left);
}

ssize_t pread(int descriptor, void *data, size_t bytes, off_t at)
{
    ssize_t left = part("read", descriptor, bytes);
    return left < 0 ? left : REAL(pread)(descriptor, data, (size_t)left, at);
}

int fsync(int descriptor)
{
    return descriptor_fails("fsync", descriptor) ? -1 : REAL(fsync)(descriptor);
}

int ftruncate(int descriptor, off_t size)
{
    return descriptor_fails("truncate", descriptor) ? -1 : REAL(ftruncate)(descriptor, size);
}

int truncate(const char *path, off_t size)
{
    return path_fails("truncate", path) ? -1 : REAL(truncate)(path, size);
}

int rename(const char *from, const char *to)
{
    return path_fails("rename", to) ? -1 : REAL(rename)(from, to);
}

int unlink(const char *path)
{
    return path_fails("unlink", path) ? -1 : REAL(unlink)(path);
}

int close(int descriptor)
{
    bool failed = descriptor_fails("close", descriptor);
    int status = REAL(close)(descriptor);
    errno = failed ? fault.error : errno;
    return failed ? -1 : status;
}

int openat(int directory, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return path_fails("open", path) ? -1 : REAL(openat)(directory, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return openat(AT_FDCWD, path, flags, mode);
}

int mkstemp(char *path)
{
    return path_fails("open", path) ? -1 : REAL(mkstemp)(path);
}

DIR *opendir(const char *path)
{
    return path_fails("open", path) ? NULL : REAL(opendir)(path);
}

/* Other names of the same calls. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return openat(AT_FDCWD, path, flags);
}
int __open64_2(const char *path, int flags) __attribute__((alias("__open_2")));
int open64(const char *path, int flags, ...) __attribute__((alias("open")));
int openat64(int directory, const char *path, int flags, ...) __attribute__((alias("openat")));
int ftruncate64(int descriptor, off_t size) __attribute__((alias("ftruncate")));
ssize_t pread64(int descriptor, void *data, size_t bytes, off_t at) __attribute__((alias("pread")));
ssize_t pwrite64(int descriptor, const void *data, size_t bytes, off_t at) __attribute__((alias("pwrite")));

/* ---- streams, built from the calls above ---- */

static ssize_t stream_read(void *cookie, char *data, size_t bytes)
{
    return read((int)(intptr_t)cookie, data, bytes);
}

/* Writes until all is written or a call fails, as the C library does. */
static ssize_t stream_write(void *cookie, const char *data, size_t bytes)
{
    size_t done = 0;
    for (ssize_t written; done < bytes; done += (size_t)written)
        if ((written = write((int)(intptr_t)cookie, data + done, bytes - done)) < 0)
            break;
    return (ssize_t)done;
}

static int stream_seek(void *cookie, off64_t *at, int from)
{
    *at = lseek((int)(intptr_t)cookie, *at, from);
    return *at < 0 ? -1 : 0;
}

static int stream_close(void *cookie)
{
    return close((int)(intptr_t)cookie);
}

static bool is_meant(const char *path)
{
    return fault.call && fault.path[0] && strstr(path, fault.path);
}

static FILE *stream_of(int descriptor, const char *mode)
{
    cookie_io_functions_t calls = {stream_read, stream_write, stream_seek, stream_close};
    return fopencookie((void *)(intptr_t)descriptor, mode, calls);
}

FILE *fopen(const char *path, const char *mode)
{
    if (!is_meant(path))
        return REAL(fopen)(path, mode);
    int flags = mode[0] == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | (mode[0] == 'a' ? O_APPEND : O_TRUNC);
    int descriptor = open(path, flags | O_CLOEXEC, 0666);
    return descriptor < 0 ? NULL : stream_of(descriptor, mode);
}

FILE *fdopen(int descriptor, const char *mode)
{
    char path[4096];
    path_of(descriptor, path, sizeof path);
    return is_meant(path) ? stream_of(descriptor, mode) : REAL(fdopen)(descriptor, mode);
}

/* ---- memory ---- */

void *mmap(void *at, size_t bytes, int protection, int flags, int descriptor, off_t offset)
{
    return descriptor_fails("mmap", descriptor) ? MAP_FAILED
                                                : REAL(mmap)(at, bytes, protection, flags, descriptor, offset);
}
void *mmap64(void *at, size_t bytes, int protection, int flags, int descriptor, off_t offset) __attribute__((alias("mmap")));

static bool memory_fails(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    if (!is("malloc"))
        return false;
    for (int i = 0; i < fault.module_count; i++)
        if (at >= fault.modules[i].first && at < fault.modules[i].end)
            return fails();
    return false;
}

/* The C library's functions under their internal names. REAL would not work here, since dlsym itself allocates. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes)
{
    return memory_fails(__builtin_return_address(0)) ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t size)
{
    return memory_fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t bytes)
{
    return memory_fails(__builtin_return_address(0)) ? NULL : __libc_realloc(memory, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return memory_fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    if (memory_fails(__builtin_return_address(0)))
        return ENOMEM;
    *memory = __libc_memalign(alignment, bytes);
    return *memory ? 0 : ENOMEM;
}
