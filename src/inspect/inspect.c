#include "inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

static void print_name(const char *name)
{
    printf("  %-20s ", name);
}

int print_attributes(struct h5 *h5, const char *object, struct error *why)
{
    char (*names)[H5_NAME], value[4096];
    int count, status = 0;
    if (h5_attributes(h5, object, &names, &count, why))
        return -1;
    for (int i = 0; i < count && !status; i++) {
        status = h5_get_as_text(h5, object, names[i], value, sizeof value, why);
        if (!status) {
            text_printable(names[i]);
            text_printable(value);
            print_name(names[i]);
            puts(value);
        }
    }
    free(names);
    return status;
}

/* ---- the two kinds of file ---- */

static int print_checkpoint(struct h5 *h5, const struct options *options, struct error *why)
{
    if (options->images[0])
        return error_set(why, "%s: is a checkpoint, which holds no images; --filters draws its filters", h5_path(h5));
    if (options->filters[0])
        return save_filters(h5, !options->no_ema, options->filters, why);
    line_print(stdout, "%s: a checkpoint, complete, its digest is right", h5_path(h5));
    if (print_attributes(h5, "/", why))
        return -1;
    printf("\n  made by\n");
    return print_attributes(h5, "/provenance", why) || print_data_sets(h5, why) ? -1 : 0;
}

/* Compares the data sets with the digests in the file. *verified: the number of data sets that have one. */
static int data_verify(struct h5 *h5, int *verified, struct error *why)
{
    char (*names)[H5_NAME], stored[80], found[80];
    int count, status = 0;
    *verified = 0;
    if (h5_list(h5, &names, &count, why))
        return -1;
    for (int i = 0; i < count && !status; i++) {
        if (!h5_has(h5, names[i], "sha256"))
            continue;
        status = h5_get_text(h5, names[i], "sha256", stored, sizeof stored, why);
        if (!status)
            status = h5_sha256(h5, names[i], found, why);
        if (!status && strcmp(stored, found))
            status = error_set(why, "%s: %s: is damaged: its SHA-256 is %s, its content's is %s", h5_path(h5), names[i],
                               stored, found);
        *verified += !status;
    }
    free(names);
    return status;
}

static int print_packed(struct h5 *h5, int verified, const struct options *options, struct error *why)
{
    if (options->filters[0])
        return error_set(why, "%s: is a packed data set, which holds no filters; --images draws its images", h5_path(h5));
    if (options->images[0])
        return save_contact_sheet(h5, options->images, why);
    line_print(stdout, "%s: a packed data set, the digests of %d data sets are right", h5_path(h5), verified);
    return print_attributes(h5, "/", why) || print_data_sets(h5, why) || print_class_counts(h5, why) ? -1 : 0;
}

/* ---- any file ---- */

enum kind { KIND_CHECKPOINT, KIND_PACKED };

static int find_format(struct h5 *h5, enum kind *kind, struct error *why)
{
    char format[64];
    if (!h5_has(h5, "/", "format") || h5_get_text(h5, "/", "format", format, sizeof format, why))
        return error_set(why, "%s: is an HDF5 file, but neither a packed data set nor a checkpoint of cifar10_mpi", h5_path(h5));
    bool is_checkpoint = !strcmp(format, CHECKPOINT_FORMAT);
    *kind = is_checkpoint ? KIND_CHECKPOINT : KIND_PACKED;
    if (is_checkpoint || !strcmp(format, DATASET_FORMAT))
        return 0;
    return error_set(why, "%s: is an HDF5 file of format '%s', which this program does not know", h5_path(h5), format);
}

/* Also checks the digests. *verified: of a packed file, the number of data sets that have one. */
static int check_whole(struct h5 *h5, enum kind *kind, int *verified, struct error *why)
{
    if (find_format(h5, kind, why))
        return -1;
    return *kind == KIND_CHECKPOINT ? checkpoint_verify(h5, why) : data_verify(h5, verified, why);
}

static int inspect_one(struct h5 *h5, const struct options *options, struct error *why)
{
    enum kind kind;
    int verified = 0;
    if (check_whole(h5, &kind, &verified, why))
        return -1;
    return kind == KIND_CHECKPOINT ? print_checkpoint(h5, options, why) : print_packed(h5, verified, options, why);
}

static int inspect_two(struct h5 *a, struct h5 *b, struct error *why)
{
    enum kind of_a, of_b;
    int verified;
    if (check_whole(a, &of_a, &verified, why) || check_whole(b, &of_b, &verified, why))
        return -1;
    if (of_a != of_b)
        return error_set(why, "%s and %s: one is a checkpoint, and the other a packed data set", h5_path(a), h5_path(b));
    return print_differences(a, b, why);
}

static int check_use(const struct options *o, struct error *why)
{
    if (o->diff && o->file_count != 2)
        return error_set(why, "--diff compares two files: ./cifar10_mpi inspect --diff A.h5 B.h5");
    if (!o->diff && o->file_count != 1)
        return error_set(why, "inspect shows one file; --diff compares two: ./cifar10_mpi inspect --diff %s %s", o->files[0],
                         o->files[1]);
    return 0;
}

int inspect_run(const struct options *options, struct error *why)
{
    struct h5 *a, *b = NULL;
    struct error ignored;
    if (check_use(options, why) || !(a = h5_open(options->files[0], why)))
        return -1;
    int status = 0;
    if (!options->diff)
        status = inspect_one(a, options, why);
    else if (!(b = h5_open(options->files[1], why)) || inspect_two(a, b, why))
        status = -1;
    status |= h5_close(a, status ? &ignored : why);
    return h5_close(b, status ? &ignored : why) || status ? -1 : 0;
}
