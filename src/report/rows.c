#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "writing.h"

static bool row_is_later(const char *line, enum rows rows, uint64_t step)
{
    uint64_t found;
    const char *format = rows == ROWS_LOG ? "%*10s %*16s step %" SCNu64 "," : "%" SCNu64 ",";
    return sscanf(line, format, &found) == 1 && found > step;
}

/* Bytes to keep of `stream`; *all: that is all of them. */
static long kept_bytes(FILE *stream, enum rows rows, uint64_t step, bool *all)
{
    char *line = NULL;
    size_t size = 0;
    long kept = 0;
    *all = true;
    for (ssize_t length; *all && (length = getline(&line, &size, stream)) > 0;) {
        *all = line[length - 1] == '\n' && !row_is_later(line, rows, step);
        kept += *all ? (long)length : 0;
    }
    free(line);
    return kept;
}

/* The rest of `from`, which begins at `start`, to the end of the open file; a part of it is cut off again. */
static int copy_rest(FILE *from, long start, int to)
{
    char block[65536];
    off_t end = lseek(to, 0, SEEK_END);
    bool failed = end < 0 || fseek(from, start, SEEK_SET);
    for (size_t part; !failed && (part = fread(block, 1, sizeof block, from)) > 0;)
        failed = writing_all(to, block, part);
    failed = failed || ferror(from);
    int code = errno;
    if (failed && end >= 0 && ftruncate(to, end))
        return -1;
    errno = code;
    return failed ? -1 : 0;
}

/* The same, to the end of FILE.undone. */
static int append_rest(const char *file, FILE *from, long start, struct error *why)
{
    char aside[4096];
    if (snprintf(aside, sizeof aside, "%s.undone", file) >= (int)sizeof aside)
        return error_set(why, "%.64s...: the file name is too long", file);
    int to = writing_open(aside, O_WRONLY | O_APPEND | O_CREAT, 0666, why);
    if (to < 0)
        return -1;
    int status = copy_rest(from, start, to) ? error_set(why, "%s: cannot be copied to %s: %m", file, aside) : 0;
    if (close(to) && !status)
        status = error_set(why, "%s: cannot be written: %s", aside, strerror(errno));
    return status;
}

int rows_keep(const char *file, enum rows rows, uint64_t step, struct error *why)
{
    int descriptor = writing_open(file, O_RDWR, 0, why);
    if (descriptor < 0)
        return errno == ENOENT ? 0 : -1;
    FILE *stream = fdopen(descriptor, "r");
    if (!stream) {
        close(descriptor);
        return error_set(why, "%s: cannot be read: %s", file, strerror(errno));
    }
    bool all;
    long bytes = kept_bytes(stream, rows, step, &all);
    int status = 0;
    if (ferror(stream))
        status = error_set(why, "%s: cannot be read: %s", file, strerror(errno));
    else if (!all)
        status = append_rest(file, stream, bytes, why);
    if (!all && !status && ftruncate(descriptor, bytes))
        status = error_set(why, "%s: cannot be cut: %s", file, strerror(errno));
    fclose(stream);
    return status;
}
