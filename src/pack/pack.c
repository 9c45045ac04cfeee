#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "parts.h"
#include "progress.h"
#include "store.h"

static const char published_url[] = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
static const char published_md5[] = "c32a1d4ab5d03f1284b67883e8d87530";
enum { PUBLISHED_BYTES = 170052171 };
static const int64_t other_bytes_max = (int64_t)16 << 30; /* limit for an unknown file */

enum { PATH_TEXT = 4096 };

struct packing {
    const struct pack_request *request;
    struct pack_unfinished *unfinished;
    const char *from; /* the request's source, or the downloaded file */
    char part[PATH_TEXT]; /* file of a verified download */
    struct survey survey;
    struct source source;
    struct writer writer;
    struct seen seen;
    int64_t counts[SPLITS], class_counts[CLASSES_MAX][SPLITS];
    int64_t bytes; /* of the packed file */
};

/* Makes the output's directory, so that "data/cifar10.h5" works before data/ exists. */
static int make_directory_of(const char *output, struct error *why)
{
    const char *slash = strrchr(output, '/');
    if (!slash)
        return 0;
    char *directory = strndup(output, (size_t)(slash - output));
    if (!directory)
        return error_set(why, "%s: no memory for its name", output);
    int status = directory_make(directory, why);
    free(directory);
    return status ? error_in(why, "%s", output) : 0;
}

static int download(struct packing *packing, struct error *why)
{
    const struct pack_request *request = packing->request;
    const char *md5 = request->md5 ? request->md5 : published_md5;
    char *unverified = packing->unfinished->download;
    if (!request->url && survey_check_cifar("--download", request, why))
        return -1;
    if (!md5[0]) {
        fprintf(stderr, "The download is not verified: --md5 none\n");
        if (file_new_beside(request->output, unverified, sizeof packing->unfinished->download, why))
            return -1;
    } else if (snprintf(packing->part, PATH_TEXT, "%s.part", request->output) >= PATH_TEXT)
        return error_set(why, "%.64s...: the file name is too long", request->output);
    packing->from = md5[0] ? packing->part : unverified;
    return download_fetch(&(struct download){.url = request->url ? request->url : published_url, .md5 = md5, .part = packing->from,
                                             .bytes_max = request->md5 ? other_bytes_max : PUBLISHED_BYTES,
                                             .progress = request->progress}, why);
}

static int copy_sample(struct packing *packing, const struct sample *sample, struct error *why)
{
    size_t side = (size_t)packing->source.side;
    packing->counts[sample->split]++;
    packing->class_counts[sample->label][sample->split]++;
    return writer_add(&packing->writer, sample, why) ||
                   seen_add(&packing->seen, sample, side * side * IMAGE_CHANNELS, why)
               ? -1
               : 0;
}

/* Copies all samples from the source to the file. */
static int copy_samples(struct packing *packing, struct error *why)
{
    struct progress progress;
    int64_t total = packing->survey.images[TRAIN] + packing->survey.images[TEST], done = 0;
    struct sample sample;
    bool found = true;
    int status = 0;
    packing->seen.most = SEEN_MOST;
    progress_open(&progress, packing->request->progress);
    while (!status && !(status = source_next(&packing->source, &sample, &found, why)) && found) {
        status = copy_sample(packing, &sample, why);
        progress_count(&progress, "packing", "images", 1, ++done, total);
    }
    progress_clear(&progress);
    if (!status && done + packing->source.bad.count != total)
        status = error_set(why, "%s: changes while it is packed", packing->from);
    return status;
}

/* Checks the counts after packing: only now are the effects of --skip-bad and --test-share on image folders known. */
static int check_classes(struct packing *packing, struct error *why)
{
    const struct source *source = &packing->source;
    if (!packing->counts[TRAIN])
        return error_set(why, "%s: no training images are left%s%s", packing->from, source->bad.count ? "; left out: " : "",
                         source->bad.first[0]);
    if (!packing->survey.folders)
        return 0;
    return classes_check(&packing->survey, packing->class_counts, packing->from, packing->request, why);
}

/* The source's file name; for a download, the URL's. */
static const char *source_name(const struct packing *packing)
{
    const char *name = packing->source.files[0].name;
    if (packing->request->download) {
        const char *url = packing->request->url ? packing->request->url : published_url;
        name = strrchr(url, '/') + 1;
    }
    return name;
}

/* Writes the data set's name: "CIFAR-10", or for image folders the source's name without its suffixes. */
static int write_name(struct packing *packing, struct error *why)
{
    char name[NAME_TEXT];
    const char *source = source_name(packing);
    size_t length = strcspn(source, ".");
    snprintf(name, sizeof name, "%.*s", (int)(length ? length : strlen(source)), source);
    return h5_set_text(packing->writer.h5, "/", "name", packing->survey.folders ? name : "CIFAR-10", why);
}

static int write_attributes(struct packing *packing, struct error *why)
{
    struct h5 *h5 = packing->writer.h5;
    const char *classes[CLASSES_MAX], *names[CIFAR_FILES_MAX], *digests[CIFAR_FILES_MAX];
    for (int i = 0; i < packing->survey.classes.count; i++)
        classes[i] = packing->survey.classes.names[i];
    for (int i = 0; i < packing->source.file_count; i++) {
        names[i] = packing->source.files[i].name;
        digests[i] = packing->source.files[i].sha256;
    }
    names[0] = packing->request->download ? source_name(packing) : names[0];
    return h5_set_text(h5, "/", "format", DATASET_FORMAT, why) ||
                   h5_set_integer(h5, "/", "format_version", DATASET_VERSION, why) || write_name(packing, why) ||
                   h5_set_text(h5, "/", "resize", resize_name(packing->request->resize), why) ||
                   h5_set_texts(h5, "/", "class_names", classes, packing->survey.classes.count, why) ||
                   h5_set_texts(h5, "/", "sources", names, packing->source.file_count, why) ||
                   h5_set_texts(h5, "/", "source_sha256", digests, packing->source.file_count, why)
               ? -1
               : 0;
}

/* Writes the whole temporary file. */
static int write_file(struct packing *packing, struct error *why)
{
    if (source_open(&packing->source, &packing->survey, packing->from, packing->request, why) ||
        writer_open(&packing->writer, packing->unfinished->packed, packing->source.side, why) || copy_samples(packing, why) ||
        check_classes(packing, why) || writer_finish(&packing->writer, why) || write_attributes(packing, why))
        return -1;
    return 0;
}

/* Writes under a temporary name and renames, so that an existing output is either replaced by a whole file or kept. */
static int write_beside(struct packing *packing, struct error *why)
{
    struct error ignored;
    struct stat made;
    const char *output = packing->request->output, *temporary = packing->unfinished->packed;
    int status = write_file(packing, why), closed = writer_close(&packing->writer, status ? &ignored : why);
    if (status || closed || stat(temporary, &made) || file_commit(temporary, output, why))
        return -1;
    packing->bytes = made.st_size;
    return 0;
}

static void tell_packed(struct packing *packing, double seconds)
{
    const struct survey *survey = &packing->survey;
    int side = packing->source.side;
    report_notes(survey, &packing->source, &packing->seen, packing->counts[TEST]);
    line_print(stdout, "Packed %s: %lld training and %lld test images of %dx%dx%d, %d classes, into %s (%.1f MB, %.1f s)",
               survey->folders ? source_name(packing) : "CIFAR-10", (long long)packing->counts[TRAIN],
               (long long)packing->counts[TEST], side, side, IMAGE_CHANNELS, survey->classes.count, packing->request->output,
               (double)packing->bytes / 1e6, seconds);
    report_classes(survey, packing->class_counts, packing->request->classes);
}

/* Refuses to replace a file that is neither empty nor an HDF5 file: its name was probably given by mistake. */
static int check_packed_name(const char *output, struct error *why)
{
    static const char signature[] = "\x89HDF";
    char start[sizeof signature] = "";
    struct stat status;
    if (!stat(output, &status) && !S_ISREG(status.st_mode))
        return error_set(why, "%s: exists and is not a file that can be replaced", output);
    FILE *file = fopen(output, "rb");
    if (!file)
        return errno == ENOENT ? 0 : error_set(why, "%s: %m", output);
    size_t got = fread(start, 1, sizeof start - 1, file);
    fclose(file);
    return got == 0 || !strcmp(start, signature) ? 0
               : error_set(why, "%s: exists and is not a packed data set: name another OUT.h5, or remove it", output);
}

static int packing_run(struct packing *packing, struct error *why)
{
    const struct pack_request *request = packing->request;
    double started = clock_seconds();
    if (check_packed_name(request->output, why) || make_directory_of(request->output, why) ||
        file_new_beside(request->output, packing->unfinished->packed, sizeof packing->unfinished->packed, why) ||
        (request->download && download(packing, why)) || survey_take(&packing->survey, packing->from, request, why) ||
        write_beside(packing, why))
        return -1;
    tell_packed(packing, clock_seconds() - started);
    unlink(packing->part);
    return 0;
}

int pack_run(const struct pack_request *request, struct pack_unfinished *unfinished, struct error *why)
{
    struct packing *packing = memory_new(1, sizeof *packing, "the packing", why);
    if (!packing)
        return -1;
    packing->request = request;
    packing->unfinished = unfinished;
    *unfinished = (struct pack_unfinished){"", ""};
    packing->from = request->from;
    int status = packing_run(packing, why);
    source_close(&packing->source);
    survey_free(&packing->survey);
    seen_free(&packing->seen);
    free(packing);
    unlink(unfinished->packed); /* already gone if it was renamed */
    unlink(unfinished->download);
    return status;
}
