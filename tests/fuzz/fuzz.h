/* What the harnesses share. A harness passes one input through the program: clang's libFuzzer calls LLVMFuzzerTestOneInput again
 * and again in one process, with arbitrary bytes. */
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

/* libFuzzer's: changes the data at random and returns the new size. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
/* Ours, for formats with checksums: corrects them after a change, so that the code that follows is reached. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

/* Must hold for every input; a failure is a finding. */
#define must(condition) ((condition) ? (void)0 : abort())

/* A directory of this process in TMPDIR, which the caller of the harness removes. */
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

/* A new file of these bytes there, since a library may still hold the last one open. */
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
