/* The file of --predictions: whole or absent, like all our files. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "eval.h"
#include "file.h"
#include "writing.h"

static int predictions_fail(const struct predictions *p, int code, struct error *why)
{
    return error_set(why, "%s: cannot be written: %s", p->file, strerror(code));
}

int predictions_open(struct predictions *p, const char *file, struct error *why)
{
    *p = (struct predictions){.file = file};
    if (file_beside(file, p->temporary, sizeof p->temporary, why))
        return -1;
    int descriptor = writing_open(p->temporary, O_WRONLY | O_CREAT, 0666, why);
    if (descriptor < 0)
        return -1;
    if (ftruncate(descriptor, 0) || !(p->stream = fdopen(descriptor, "w"))) {
        predictions_fail(p, errno, why);
        close(descriptor);
        return -1;
    }
    fputs("image,label,prediction,probability\n", p->stream);
    return 0;
}

/* A field of a CSV file (RFC 4180): in quotes if a comma or a quote is in it. */
static void put_field(FILE *stream, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stream);
        return;
    }
    putc('"', stream);
    for (; *text; text++)
        fprintf(stream, *text == '"' ? "\"\"" : "%c", *text);
    putc('"', stream);
}

void predictions_add(struct predictions *p, const struct dataset *dataset, const struct classified *rows, int count)
{
    for (int i = 0; p->stream && i < count; i++) {
        fprintf(p->stream, "%" PRId64 ",", rows[i].image);
        put_field(p->stream, dataset->class_names[rows[i].label]);
        putc(',', p->stream);
        put_field(p->stream, dataset->class_names[rows[i].prediction]);
        fprintf(p->stream, ",%.6f\n", (double)rows[i].probability);
        if (ferror(p->stream) && !p->failure)
            p->failure = errno;
    }
}

int predictions_close(struct predictions *p, struct error *why)
{
    if (!p->stream)
        return 0;
    int failure = p->failure ? p->failure : fflush(p->stream) ? errno : 0;
    int status = failure ? predictions_fail(p, failure, why) : file_commit(p->temporary, p->file, why);
    if (status)
        predictions_drop(p);
    else
        fclose(p->stream);
    p->stream = NULL;
    return status;
}

void predictions_drop(struct predictions *p)
{
    if (!p->stream)
        return;
    fclose(p->stream);
    unlink(p->temporary);
    p->stream = NULL;
}
