/* What the harnesses share. Each is one input's way through the program, for clang's libFuzzer: LLVMFuzzerTestOneInput
 * is called again and again, in one process, with bytes that nobody has looked at. */
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

/* libFuzzer's: changes the data at random; the new size. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
/* Where a format has sums over its parts: ours, which sets them right afterwards, so that what is behind them is met. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

/* What must hold whatever the input is; a failure is a finding. */
#define must(condition) ((condition) ? (void)0 : abort())

/* A directory of this process's own, in TMPDIR; who made that removes it. */
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

/* A new file of these bytes there: what a library may still hold open is another one. */
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
