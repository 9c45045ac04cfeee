#include "picture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data.h"

/* Reads a whole file; the caller frees *bytes. */
static int read_bytes(const char *file, void **bytes, size_t *size, struct error *why)
{
    struct stat found;
    *bytes = NULL;
    int descriptor = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* O_NONBLOCK: open must not wait for a pipe without a writer */
    FILE *stream = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    if (!stream)
        return error_set(why, "%s: cannot be opened: %s", file, strerror(errno));
    int status = 0;
    if (fstat(fileno(stream), &found) || !S_ISREG(found.st_mode))
        status = error_set(why, "%s is not a file", file);
    else if (found.st_size < 1 || found.st_size > IMAGE_FILE_MAX)
        status = error_set(why, "%s: %lld bytes; an image file has 1 to %d", file, (long long)found.st_size,
                           IMAGE_FILE_MAX);
    else if (!(*bytes = memory_new((size_t)found.st_size, 1, file, why)))
        status = -1;
    else if (fread(*bytes, 1, (size_t)found.st_size, stream) != (size_t)found.st_size)
        status = error_set(why, "%s: cannot be read to its end", file);
    *size = (size_t)found.st_size;
    fclose(stream);
    return status;
}

int picture_read(float *input, const char *file, const struct frame *frame, enum resize resize, struct error *why)
{
    struct image image = {0};
    struct distortion center = distort_center(frame);
    void *bytes;
    size_t size = 0;
    int status = read_bytes(file, &bytes, &size, why);
    if (!status)
        status = image_decode(&image, bytes, size, file, why);
    free(bytes);
    if (!status)
        status = image_resize(&image, frame->height, frame->width, resize, why);
    if (!status)
        distort_apply(image.pixels, frame, &center, input);
    image_free(&image);
    return status;
}
