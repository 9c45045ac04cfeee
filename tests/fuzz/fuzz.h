/* Shared by the harnesses. A harness gives one input to a part of the program: clang's libFuzzer calls LLVMFuzzerTestOneInput many
 * times in one process, with arbitrary bytes. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Part of libFuzzer: changes the data at random and returns the new size. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
/* Defined by harnesses for formats with checksums: corrects these after a change, so that the code after the check is reached. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

/* A condition that holds for every input; if it does not, libFuzzer has found a bug. */
#define must(condition) ((condition) ? (void)0 : abort())

/* A new directory in TMPDIR for this process; tests/fuzz/run removes it. */
static inline const char *fuzz_directory(void)
{
    static char directory[256];
    const char *where = getenv("TMPDIR");
    if (!directory[0]) {
        snprintf(directory, sizeof directory, "%s/input.XXXXXX", where ? where : "/tmp");
        must(mkdtemp(directory));
    }
    return directory;
}

/* Writes the bytes to a new file in that directory; the last one cannot be overwritten, since a library may still have it open. */
static inline const char *fuzz_file(const char *name, const uint8_t *data, size_t size)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", fuzz_directory(), name);
    unlink(path);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(file >= 0 && write(file, data, size) == (ssize_t)size && !close(file));
    return path;
}

#endif
