#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

enum { BLOCK_BYTES = 1 << 16 };
/* An archive may unpack to this many bytes plus this many times its own size. Images hardly compress: CIFAR-10's to nine tenths. */
enum { UNPACKED_FREE = 256 << 20, UNPACKED_RATIO = 100 };

struct entries_state {
    FTS *tree; /* of a directory, otherwise NULL */
    const char *path; /* the directory's current file */
    int file; /* the current file, opened at the first read; or -1 */
    const char *unreadable; /* why the current entry cannot be read, or NULL */
    char *folder; /* name of the current entry, if it is a folder */
    struct archive *archive;
    int64_t allowed, given; /* bytes: the most that may be unpacked; read by the caller so far */
};

/* Appends a slash to a folder's name if the source has not done so. */
static int name_folder(struct entries *entries, struct error *why)
{
    size_t length = strlen(entries->name);
    free(entries->state->folder);
    entries->state->folder = malloc(length + 2);
    if (!entries->state->folder)
        return error_set(why, "%s: no memory for a folder's name", entries->from);
    memcpy(entries->state->folder, entries->name, length + 1);
    if (length && entries->name[length - 1] != '/')
        strcpy(entries->state->folder + length, "/");
    entries->name = entries->state->folder;
    entries->state->unreadable = "is a folder";
    return 0;
}

/* ---- a directory ---- */

static int name_order(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int directory_open(struct entries *entries, struct error *why)
{
    char *roots[] = {(char *)entries->from, NULL};
    entries->state->tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, name_order);
    return entries->state->tree ? 0 : error_set(why, "%s: cannot be listed: %s", entries->from, strerror(errno));
}

/* Whether to return the current entry; hidden folders are skipped as a whole. */
static bool tree_take(struct entries *entries, FTSENT *entry)
{
    struct entries_state *state = entries->state;
    bool is_folder = entry->fts_info == FTS_D && entry->fts_level > 0;
    if (is_folder && entry->fts_name[0] == '.') {
        fts_set(state->tree, entry, FTS_SKIP);
        return false;
    }
    if (!is_folder && entry->fts_info != FTS_F && entry->fts_info != FTS_SLNONE && entry->fts_info != FTS_DEFAULT)
        return false;
    state->path = entry->fts_path;
    state->unreadable = entry->fts_info == FTS_DEFAULT ? "is no regular file" : NULL;
    entries->name = entry->fts_path + strlen(entries->from);
    entries->name += strspn(entries->name, "/");
    entries->size = entry->fts_info == FTS_F ? entry->fts_statp->st_size : 0;
    entries->is_link = entry->fts_info == FTS_SLNONE;
    return true;
}

static int directory_next(struct entries *entries, bool *found, struct error *why)
{
    struct entries_state *state = entries->state;
    if (state->file >= 0)
        close(state->file);
    state->file = -1;
    *found = false;
    errno = 0;
    for (FTSENT *entry; !*found && (entry = fts_read(state->tree)); errno = 0) {
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
            return error_set(why, "%s: cannot be read: %s", entry->fts_path, strerror(entry->fts_errno));
        *found = tree_take(entries, entry);
        if (*found && entry->fts_info == FTS_D)
            return name_folder(entries, why);
    }
    return *found || !errno ? 0 : error_set(why, "%s: cannot be listed: %s", entries->from, strerror(errno));
}

static int directory_read(struct entries *entries, void *data, size_t bytes, size_t *got, struct error *why)
{
    struct entries_state *state = entries->state;
    if (state->file < 0)
        state->file = open(state->path, O_RDONLY | O_CLOEXEC);
    if (state->file < 0)
        return error_set(why, "cannot be opened: %s", strerror(errno));
    for (*got = 0; *got < bytes;) {
        ssize_t read_now = read(state->file, (char *)data + *got, bytes - *got);
        if (read_now < 0 && errno != EINTR)
            return error_set(why, "cannot be read: %s", strerror(errno));
        if (read_now == 0)
            break;
        *got += read_now > 0 ? (size_t)read_now : 0;
    }
    return 0;
}

/* ---- an archive, streamed: its members never become files ---- */

/* The library's explanation of an error; it does not have one for each. */
static const char *archive_reason(struct archive *archive)
{
    const char *reason = archive_error_string(archive);
    return reason ? reason : "the archive library gives no reason";
}

static const struct {
    int filter, length;
    char magic[8];
} compressions[] = {
    {ARCHIVE_FILTER_GZIP, 2, "\x1f\x8b"},
    {ARCHIVE_FILTER_BZIP2, 3, "BZh"},
    {ARCHIVE_FILTER_XZ, 6, "\xfd" "7zXZ\0"},
    {ARCHIVE_FILTER_ZSTD, 4, "\x28\xb5\x2f\xfd"},
    {ARCHIVE_FILTER_LZ4, 4, "\x04\x22\x4d\x18"},
};

/* Finds the compression by the first bytes of the file. */
static int find_compression(const char *from)
{
    char start[8] = "";
    int file = open(from, O_RDONLY | O_CLOEXEC), found = ARCHIVE_FILTER_NONE;
    ssize_t got = file < 0 ? 0 : read(file, start, sizeof start);
    if (file >= 0)
        close(file);
    for (size_t i = 0; i < sizeof compressions / sizeof *compressions && found == ARCHIVE_FILTER_NONE; i++)
        if (got >= compressions[i].length && !memcmp(start, compressions[i].magic, (size_t)compressions[i].length))
            found = compressions[i].filter;
    return found;
}

/* Undoes at most one compression, which we detect. The library's own detection would undo nested compressions one after another,
 * and a gzip header inside gzip makes it use up all memory (libarchive before 3.8). */
static int archive_open(struct entries *entries, struct error *why)
{
    struct archive *archive = entries->state->archive = archive_read_new();
    if (!archive)
        return error_set(why, "%s: no memory to read an archive", entries->from);
    int compression = find_compression(entries->from);
    archive_read_support_format_tar(archive);
    archive_read_support_format_zip(archive);
    if ((compression == ARCHIVE_FILTER_NONE || archive_read_append_filter(archive, compression) == ARCHIVE_OK) &&
        archive_read_open_filename(archive, entries->from, BLOCK_BYTES) == ARCHIVE_OK)
        return 0;
    return error_set(why, "%s: cannot be read as an archive: %s", entries->from, archive_reason(archive));
}

/* Refuses to unpack `more` bytes beyond the limit. This stops a small archive that unpacks to terabytes, either when it announces a
 * member's size or when the bytes arrive. */
static int archive_bound(const struct entries_state *state, int64_t more, struct error *why)
{
    int64_t unpacked = archive_filter_bytes(state->archive, 0);
    if (unpacked <= state->allowed && state->given <= state->allowed && more <= state->allowed - unpacked)
        return 0;
    return error_set(why, "unpacks to more than %lld MB, which is out of proportion to the archive's size; if this is intended, "
                     "unpack it and pack the directory", (long long)state->allowed / 1000000);
}

/* The member's name as stored. Some archives store UTF-8, which libarchive cannot convert in a locale without it. */
static const char *member_name(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    return name ? name : archive_entry_pathname_utf8(entry);
}

/* Why a member cannot be read, or NULL. A link's content is stored under another name, perhaps much earlier in the archive, and a
 * stream cannot go back to it. */
static const char *member_unreadable(struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFLNK)
        return "is a link without content: pack the directory, or make the archive with tar --dereference "
               "--hard-dereference";
    return archive_entry_filetype(entry) == AE_IFREG ? NULL : "is no regular file";
}

static int archive_next(struct entries *entries, bool *found, struct error *why)
{
    struct archive *archive = entries->state->archive;
    struct archive_entry *entry;
    int status = archive_read_next_header(archive, &entry);
    *found = false;
    if (status == ARCHIVE_EOF)
        return 0;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
        return error_set(why, "%s: is not an archive (tar or zip), or is damaged: %s", entries->from, archive_reason(archive));
    if (!member_name(entry))
        return error_set(why, "%s: holds a file whose name cannot be read", entries->from);
    *found = true;
    entries->name = member_name(entry);
    entries->size = archive_entry_size(entry);
    entries->is_link = archive_entry_filetype(entry) == AE_IFLNK;
    entries->state->unreadable = member_unreadable(entry);
    if (archive_bound(entries->state, entries->size, why))
        return entries_error(entries, why);
    return archive_entry_filetype(entry) == AE_IFDIR ? name_folder(entries, why) : 0;
}

static int archive_read(struct entries *entries, void *data, size_t bytes, size_t *got, struct error *why)
{
    struct archive *archive = entries->state->archive;
    la_ssize_t status = archive_read_data(archive, data, bytes);
    if (status < 0)
        return error_set(why, "the archive is damaged here: %s", archive_reason(archive));
    *got = (size_t)status;
    entries->state->given += status;
    return archive_bound(entries->state, 0, why);
}

/* ---- both ---- */

int entries_open(struct entries *entries, const char *from, struct error *why)
{
    struct stat status;
    *entries = (struct entries){.from = from};
    if (stat(from, &status))
        return error_set(why, "%s: %s", from, strerror(errno));
    if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
        return error_set(why, "%s: is neither a directory nor an archive", from);
    entries->state = memory_new(1, sizeof *entries->state, "the list of files", why);
    if (!entries->state)
        return -1;
    entries->state->file = -1;
    entries->state->allowed = UNPACKED_FREE + UNPACKED_RATIO * (int64_t)status.st_size;
    return S_ISDIR(status.st_mode) ? directory_open(entries, why) : archive_open(entries, why);
}

int entries_next(struct entries *entries, bool *found, struct error *why)
{
    return entries->state->tree ? directory_next(entries, found, why) : archive_next(entries, found, why);
}

int entries_read(struct entries *entries, void *data, size_t bytes, size_t *got, struct error *why)
{
    if (entries->state->unreadable)
        return error_set(why, "%s", entries->state->unreadable);
    return entries->state->tree ? directory_read(entries, data, bytes, got, why)
                                : archive_read(entries, data, bytes, got, why);
}

int entries_error(const struct entries *entries, struct error *why)
{
    if (entries->state->tree)
        return error_in(why, "%s", entries->state->path);
    return error_in(why, "%s: %s", entries->from, entries->name);
}

int entries_changed(struct error *why)
{
    return error_set(why, "has just changed: the source changes while it is packed");
}

bool entries_are_files(const struct entries *entries)
{
    return entries->state->tree;
}

void entries_close(struct entries *entries)
{
    if (!entries->state)
        return;
    if (entries->state->file >= 0)
        close(entries->state->file);
    if (entries->state->tree)
        fts_close(entries->state->tree);
    archive_read_free(entries->state->archive);
    free(entries->state->folder);
    free(entries->state);
    entries->state = NULL;
}
