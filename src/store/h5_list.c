/* Lists a file's data sets and an object's attributes. Computes a data set's digest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "h5.h"

enum { NAMES_MAX = 1 << 16, BLOCK_BYTES = 4 << 20 };

struct names {
    char (*names)[H5_NAME];
    int count, room;
    const char *problem;
};

static int names_add(struct names *names, const char *prefix, const char *name)
{
    if (names->count == names->room) {
        int room = names->room ? 2 * names->room : 16;
        void *larger = room > NAMES_MAX ? NULL : realloc(names->names, (size_t)room * sizeof *names->names);
        if (!larger) {
            names->problem = "holds more names than memory is given to";
            return -1;
        }
        names->names = larger;
        names->room = room;
    }
    if (snprintf(names->names[names->count], H5_NAME, "%s%s", prefix, name) >= H5_NAME) {
        names->problem = "holds a name that is too long";
        return -1;
    }
    names->count++;
    return 0;
}

static herr_t object_visit(hid_t object, const char *name, const H5O_info_t *info, void *data)
{
    struct names *names = data;
    (void)object;
    if (info->type == H5O_TYPE_DATASET)
        return names_add(names, "/", name);
    if (strlen(name) < H5_NAME)
        return 0;
    names->problem = "holds a name that is too long"; /* deeply nested groups, in which the library recurses */
    return -1;
}

static herr_t attribute_visit(hid_t object, const char *name, const H5A_info_t *info, void *data)
{
    (void)object;
    (void)info;
    return names_add(data, "", name);
}

/* Hands over the names that a visit found, or sets a sentence if it failed. */
static int names_take(struct h5 *h5, herr_t visited, struct names *found, char (**names)[H5_NAME], int *count,
                      struct error *why)
{
    if (visited >= 0) {
        *names = found->names;
        *count = found->count;
        return 0;
    }
    if (found->problem)
        error_set(why, "%s: %s", h5->path, found->problem);
    else
        h5_error(h5, why, "cannot be listed");
    free(found->names);
    return -1;
}

int h5_list(struct h5 *h5, char (**names)[H5_NAME], int *count, struct error *why)
{
    struct names found = {0};
    herr_t visited = H5Ovisit2(h5->file, H5_INDEX_NAME, H5_ITER_INC, object_visit, &found, H5O_INFO_BASIC);
    return names_take(h5, visited, &found, names, count, why);
}

int h5_attributes(struct h5 *h5, const char *name, char (**names)[H5_NAME], int *count, struct error *why)
{
    struct names found = {0};
    herr_t visited = H5Aiterate_by_name(h5->file, name, H5_INDEX_NAME, H5_ITER_INC, NULL, attribute_visit, &found,
                                        H5P_DEFAULT);
    return names_take(h5, visited, &found, names, count, why);
}

int h5_sha256(struct h5 *h5, const char *name, char *text, struct error *why)
{
    struct h5_shape shape;
    struct digest digest;
    if (h5_shape(h5, name, &shape, why))
        return -1;
    int64_t row = h5_bytes(&shape, 1), block = row > 0 && row < BLOCK_BYTES ? BLOCK_BYTES / row : 1;
    block = block < shape.size[0] ? block : shape.size[0];
    void *data = memory_new((size_t)block, (size_t)row, name, why);
    if (!data)
        return -1;
    int status = digest_open(&digest, "sha256", why);
    if (status) {
        free(data);
        return -1;
    }
    for (int64_t first = 0, rows; !status && first < shape.size[0]; first += rows) {
        rows = shape.size[0] - first < block ? shape.size[0] - first : block;
        status = h5_read(h5, name, first, rows, data, why);
        if (!status)
            status = digest_add(&digest, data, (size_t)(rows * row), why);
    }
    free(data);
    return digest_close(&digest, status ? NULL : text, status ? &(struct error){0} : why) || status ? -1 : 0;
}
