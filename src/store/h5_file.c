#include "file.h"
#include "h5.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reason {
    char text[512];
};

/* The innermost entry of the error stack; for a failed system call, only errno's text. Not every version's stack has an entry for
 * the Fletcher32 filter, so we describe its failure ourselves. */
static herr_t reason_take(unsigned depth, const H5E_error2_t *entry, void *data)
{
    struct reason *reason = data;
    if (entry->maj_num == H5E_PLINE && entry->min_num == H5E_READERROR) {
        snprintf(reason->text, sizeof reason->text, "the Fletcher32 checksum is wrong");
        return 0;
    }
    if (depth > 0 || !entry->desc)
        return 0;
    const char *start = strstr(entry->desc, "error message = '");
    const char *message = start ? start + strlen("error message = '") : entry->desc;
    int length = start ? (int)strcspn(message, "'") : (int)strlen(message);
    snprintf(reason->text, sizeof reason->text, "%.*s", length, message);
    return 0;
}

int h5_error(struct h5 *h5, struct error *why, const char *format, ...)
{
    struct reason reason = {"the HDF5 library gives no reason"};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, reason_take, &reason);
    h5->failed = h5->writing;
    char text[sizeof why->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_set(why, "%s: %.500s: %s", h5->path, text, reason.text);
    return -1;
}

/* Called before each file. Makes the library print nothing, install no exit handler (which would write again to a file on a full
 * disk, and crash), follow no links to other files and load no plugins. Repeating a setting may fail; that is ignored. */
static void library_limit(void)
{
    H5dont_atexit();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5Lunregister(H5L_TYPE_EXTERNAL);
    H5PLset_loading_state(0);
}

static struct h5 *h5_new(const char *file, struct error *why)
{
    library_limit();
    struct h5 *h5 = memory_new(1, sizeof *h5, "HDF5 file", why);
    if (!h5)
        return NULL;
    if (snprintf(h5->path, sizeof h5->path, "%s", file) >= (int)sizeof h5->path) {
        error_set(why, "%.64s...: the file name is longer than %zu bytes", file, sizeof h5->path - 1);
        free(h5);
        return NULL;
    }
    h5->file = H5I_INVALID_HID;
    return h5;
}

/* Callbacks that manage the core driver's memory, so that we still have it after the file is closed. (H5Fget_file_image, called
 * before closing, would copy a superblock with a wrong checksum in HDF5 1.10.8.) */
static void *image_grow(void *image, size_t size, H5FD_file_image_op_t reason, void *data)
{
    (void)reason;
    void *larger = realloc(image, size);
    if (larger)
        ((struct h5 *)data)->image = larger;
    return larger;
}

static void *image_new(size_t size, H5FD_file_image_op_t reason, void *data)
{
    return image_grow(NULL, size, reason, data);
}

static void *image_copy(void *to, const void *from, size_t size, H5FD_file_image_op_t reason, void *data)
{
    (void)reason;
    (void)data;
    return memcpy(to, from, size);
}

static herr_t image_keep(void *image, H5FD_file_image_op_t reason, void *data)
{
    (void)image;
    (void)reason;
    (void)data;
    return 0;
}

static void *owner_share(void *data)
{
    return data;
}

static herr_t owner_keep(void *data)
{
    (void)data;
    return 0;
}

static bool keep_in_memory(hid_t access, struct h5 *h5)
{
    enum { GROW_BYTES = 1 << 20 };
    /* No metadata blocks: closing would release the unused part of one, and the file would be shorter than h5_close expects. */
    if (H5Pset_meta_block_size(access, 0) < 0)
        return false;
    H5FD_file_image_callbacks_t callbacks = {image_new,   image_copy, image_grow, image_keep,
                                             owner_share, owner_keep, h5};
    return H5Pset_fapl_core(access, GROW_BYTES, false) >= 0 && H5Pset_file_image_callbacks(access, &callbacks) >= 0;
}

/* Plain file access, whatever HDF5_DRIVER says; no locks (network file systems lack them, and we write under a temporary name and
 * rename); new files in the format whose object headers have checksums. */
static hid_t access_list(void)
{
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    if (list < 0)
        return list;
    if (H5Pset_fapl_sec2(list) >= 0 && H5Pset_file_locking(list, false, true) >= 0 &&
        H5Pset_libver_bounds(list, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0)
        return list;
    H5Pclose(list);
    return H5I_INVALID_HID;
}

static struct h5 *create(const char *file, bool in_memory, struct error *why)
{
    struct h5 *h5 = h5_new(file, why);
    if (!h5)
        return NULL;
    h5->writing = true;
    h5->in_memory = in_memory;
    hid_t access = access_list(), creation = H5Pcreate(H5P_FILE_CREATE);
    if (access >= 0 && creation >= 0 && H5Pset_obj_track_times(creation, false) >= 0 &&
        (!in_memory || keep_in_memory(access, h5)))
        h5->file = H5Fcreate(file, H5F_ACC_TRUNC, creation, access);
    if (h5->file < 0)
        h5_error(h5, why, "cannot be created");
    H5Pclose(access);
    H5Pclose(creation);
    if (h5->file >= 0)
        return h5;
    free(h5);
    return NULL;
}

struct h5 *h5_create(const char *file, struct error *why)
{
    return create(file, false, why);
}

struct h5 *h5_create_in_memory(const char *file, struct error *why)
{
    return create(file, true, why);
}

/* Checks `file` with system calls before the library opens it. */
static int file_check(const char *file, int64_t *bytes, struct error *why)
{
    struct stat status;
    if (stat(file, &status) || access(file, R_OK))
        return error_set(why, "%s: %s", file, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(why, "%s: is %s, not an HDF5 file", file,
                         S_ISDIR(status.st_mode) ? "a directory" : "no file");
    *bytes = status.st_size;
    return status.st_size ? 0 : error_set(why, "%s: is empty, not an HDF5 file", file);
}

/* Formats before version 2 have no checksums for the metadata, which the library trusts. */
static int format_check(const char *file, struct error *why)
{
    static const char signature[] = "\x89HDF\r\n\x1a\n";
    enum { LENGTH = sizeof signature - 1, VERSION_LEAST = 2 };
    char start[LENGTH + 1] = "";
    int descriptor = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t got = descriptor < 0 ? -1 : read(descriptor, start, sizeof start);
    if (got < 0)
        error_set(why, "%s: cannot be read: %s", file, strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    if (got < 0)
        return -1;
    if (memcmp(start, signature, LENGTH))
        return error_set(why, "%s: is not an HDF5 file", file);
    if (got == sizeof start && start[LENGTH] < VERSION_LEAST)
        return error_set(why, "%s: is an HDF5 file in a format without checksums, which is not supported: "
                         "h5repack --low=2 FILE OTHER converts it", file);
    return 0;
}

struct h5 *h5_open(const char *file, struct error *why)
{
    int64_t bytes;
    struct h5 *h5 = file_check(file, &bytes, why) || format_check(file, why) ? NULL : h5_new(file, why);
    if (!h5)
        return NULL;
    h5->bytes = bytes;
    hid_t access = access_list();
    if (access < 0)
        h5_error(h5, why, "cannot be opened");
    else if ((h5->file = H5Fopen(file, H5F_ACC_RDONLY, access)) < 0)
        h5_error(h5, why, "is a damaged or truncated HDF5 file");
    H5Pclose(access);
    if (h5->file >= 0)
        return h5;
    free(h5);
    return NULL;
}

const char *h5_path(const struct h5 *h5)
{
    return h5->path;
}

const char *h5_library(char *text, size_t size)
{
    unsigned major, minor, release;
    bool known = H5get_libversion(&major, &minor, &release) >= 0;
    snprintf(text, size, known ? "HDF5 %u.%u.%u" : "HDF5", major, minor, release);
    return text;
}

/* Frees the disk space of a file after a failed write. The file stays open in the library, since closing it would crash. */
static void abandon(const struct h5 *h5)
{
    void *descriptor = NULL;
    if (H5Fget_vfd_handle(h5->file, H5P_DEFAULT, &descriptor) < 0 || !descriptor)
        return;
    int emptied = ftruncate(*(int *)descriptor, 0);
    (void)emptied; /* nothing more can be done */
}

int h5_close(struct h5 *h5, struct error *why)
{
    if (!h5)
        return 0;
    ssize_t size = 0;
    int status = h5->failed ? error_set(why, "%s: is not complete, since a write failed", h5->path) : 0;
    if (!status && h5->writing &&
        (H5Fflush(h5->file, H5F_SCOPE_LOCAL) < 0 || (size = H5Fget_file_image(h5->file, NULL, 0)) < 0))
        status = h5_error(h5, why, "cannot be written");
    if (h5->failed && !h5->in_memory)
        abandon(h5);
    else if (H5Fclose(h5->file) < 0 && !status)
        status = h5_error(h5, why, "cannot be closed");
    if (!status && h5->in_memory)
        status = file_write(h5->path, h5->image, (size_t)size, why);
    free(h5->image);
    free(h5);
    return status;
}

bool h5_has(struct h5 *h5, const char *name, const char *attribute)
{
    if (strcmp(name, "/") && H5Lexists(h5->file, name, H5P_DEFAULT) <= 0)
        return false;
    return !attribute || H5Aexists_by_name(h5->file, name, attribute, H5P_DEFAULT) > 0;
}
