#include "rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

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

static int copy_bytes(FILE *from, FILE *to, long bytes)
{
    char block[65536];
    while (bytes > 0) {
        size_t part = bytes < (long)sizeof block ? (size_t)bytes : sizeof block;
        if (fread(block, 1, part, from) != part || fwrite(block, 1, part, to) != part)
            return -1;
        bytes -= (long)part;
    }
    return 0;
}

static int rewrite(const char *file, FILE *from, long bytes, struct error *why)
{
    char temporary[4096];
    if (file_beside(file, temporary, sizeof temporary, why))
        return -1;
    FILE *to = fopen(temporary, "we");
    if (!to)
        return error_set(why, "%s: cannot be written: %s", temporary, strerror(errno));
    rewind(from);
    int status = copy_bytes(from, to, bytes) ? error_set(why, "%s: cannot be copied to %s: %s", file, temporary,
                                                         strerror(errno)) : 0;
    if (fclose(to) && !status)
        status = error_set(why, "%s: cannot be written: %s", temporary, strerror(errno));
    if (!status)
        status = file_commit(temporary, file, why);
    if (status)
        remove(temporary);
    return status;
}

int rows_keep(const char *file, enum rows rows, uint64_t step, struct error *why)
{
    FILE *stream = fopen(file, "re");
    if (!stream)
        return errno == ENOENT ? 0 : error_set(why, "%s: cannot be read: %s", file, strerror(errno));
    bool all;
    long bytes = kept_bytes(stream, rows, step, &all);
    int status = 0;
    if (ferror(stream))
        status = error_set(why, "%s: cannot be read: %s", file, strerror(errno));
    else if (!all)
        status = rewrite(file, stream, bytes, why);
    fclose(stream);
    return status;
}
