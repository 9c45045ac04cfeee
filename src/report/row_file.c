#include "row_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "writing.h"

enum { NAME_SIZE = sizeof ((struct row_file *)0)->name };

static int name_set(char name[NAME_SIZE], const char *directory, const char *file, struct error *why)
{
    if (snprintf(name, NAME_SIZE, "%s/%s", directory, file) < NAME_SIZE)
        return 0;
    return error_set(why, "the name of the directory %.60s... is too long", directory);
}

int row_file_open(struct row_file *file, const char *directory, const char *name, struct error *why)
{
    *file = (struct row_file){.half = -1};
    if (name_set(file->name, directory, name, why))
        return -1;
    file->descriptor = writing_open(file->name, O_WRONLY | O_APPEND | O_CREAT, 0666, why);
    file->open = file->descriptor >= 0;
    return file->open ? 0 : -1;
}

bool row_file_is_empty(const struct row_file *file)
{
    return lseek(file->descriptor, 0, SEEK_END) == 0;
}

int row_file_columns(const struct row_file *file)
{
    FILE *stream = fopen(file->name, "r");
    int columns = 1, character;
    if (!stream)
        return 0;
    while ((character = getc(stream)) != '\n' && character != EOF)
        columns += character == ',';
    fclose(stream);
    return character == '\n' ? columns : 0;
}

void row_time(char text[ROW_TIME])
{
    time_t now = time(NULL);
    struct tm utc;
    text[0] = '\0';
    if (gmtime_r(&now, &utc))
        strftime(text, ROW_TIME, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

int row_file_append(struct row_file *file, const char *line)
{
    if (file->half >= 0 && ftruncate(file->descriptor, file->half))
        return -1;
    file->half = lseek(file->descriptor, 0, SEEK_END);
    int status = file->half < 0 ? -1 : writing_all(file->descriptor, line, strlen(line)), code = errno;
    if (!status || (file->half >= 0 && !ftruncate(file->descriptor, file->half)))
        file->half = -1;
    errno = code;
    return status;
}

int row_file_close(struct row_file *file)
{
    bool was_open = file->open;
    file->open = false;
    return was_open ? close(file->descriptor) : 0;
}

/* ---- rewinding ---- */

static bool row_is_later(const char *line, const char *step_format, uint64_t step)
{
    uint64_t found;
    return sscanf(line, step_format, &found) == 1 && found > step;
}

/* The number of bytes before the first line that is of a later step or unfinished; *all: there is no such line. */
static long kept_bytes(FILE *stream, const char *step_format, uint64_t step, bool *all)
{
    char *line = NULL;
    size_t size = 0;
    long kept = 0;
    *all = true;
    for (ssize_t length; *all && (length = getline(&line, &size, stream)) > 0;) {
        *all = line[length - 1] == '\n' && !row_is_later(line, step_format, step);
        kept += *all ? (long)length : 0;
    }
    free(line);
    return kept;
}

/* Copies `from`, from `start` on, to the end of the open file `to`; if that fails, cuts the copied part off again. */
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

/* Copies `from`, from `start` on, to the end of FILE.undone. */
static int append_rest(const char *file, FILE *from, long start, struct error *why)
{
    char aside[NAME_SIZE + 8];
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

/* Moves the lines of later steps to FILE.undone. The stream reads from the descriptor, which is open for reading and writing. */
static int move_rest(const char *file, int descriptor, FILE *stream, const char *step_format, uint64_t step, struct error *why)
{
    bool all;
    long bytes = kept_bytes(stream, step_format, step, &all);
    if (ferror(stream))
        return error_set(why, "%s: cannot be read: %s", file, strerror(errno));
    if (all)
        return 0;
    if (append_rest(file, stream, bytes, why))
        return -1;
    return ftruncate(descriptor, bytes) ? error_set(why, "%s: cannot be cut: %s", file, strerror(errno)) : 0;
}

int row_file_rewind(const char *directory, const char *name, const char *step_format, uint64_t step, struct error *why)
{
    char file[NAME_SIZE];
    if (name_set(file, directory, name, why))
        return -1;
    int descriptor = writing_open(file, O_RDWR, 0, why);
    if (descriptor < 0)
        return errno == ENOENT ? 0 : -1;
    FILE *stream = fdopen(descriptor, "r");
    if (!stream) {
        close(descriptor);
        return error_set(why, "%s: cannot be read: %s", file, strerror(errno));
    }
    int status = move_rest(file, descriptor, stream, step_format, step, why);
    fclose(stream);
    return status;
}
