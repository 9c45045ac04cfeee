/* The parts of all ranks become one file. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "trace.h"
#include "writing.h"

enum { NAME = 4096 };

static int append_parts(struct trace_file *all, const char *file, int ranks, const struct trace_drift *drifts, struct error *why)
{
    char part[NAME];
    for (int rank = 0; rank < ranks; rank++) {
        trace_part_name(file, rank, part, sizeof part);
        if (trace_file_append(all, part, &drifts[rank], why))
            return -1;
    }
    return 0;
}

static int write_all(const char *temporary, const char *file, int ranks, const struct trace_drift *drifts, struct error *why)
{
    struct trace_file all;
    struct error second;
    int descriptor = writing_open(temporary, O_WRONLY, 0, why);
    if (descriptor < 0 || trace_file_open(&all, descriptor, temporary, 0, NULL, why))
        return -1;
    int status = append_parts(&all, file, ranks, drifts, why);
    int closed = trace_file_close(&all, status ? &second : why);
    return status || closed ? -1 : 0;
}

int trace_merge(const char *file, int ranks, const struct trace_drift *drifts, struct error *why)
{
    char name[NAME];
    if (file_new_beside(file, name, sizeof name, why))
        return -1;
    if (write_all(name, file, ranks, drifts, why) || file_commit(name, file, why)) {
        unlink(name);
        return -1;
    }
    for (int rank = 0; rank < ranks; rank++) {
        trace_part_name(file, rank, name, sizeof name);
        unlink(name);
    }
    return 0;
}
