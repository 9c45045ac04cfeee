#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "checkpoint.h"
#include "digest.h"
#include "file.h"
#include "image.h"
#include "store.h"

enum { CLASSES_MAX = 65536, CHANNELS_MAX = 65536 };

/* ---- tensors by name ---- */

static void data_set_of(const struct tensor *t, const char *group, char name[H5_NAME], struct h5_shape *shape)
{
    *shape = (struct h5_shape){H5_FLOAT, t->rank, {0}};
    for (int i = 0; i < t->rank; i++)
        shape->size[i] = t->size[i];
    snprintf(name, H5_NAME, "/%s/%s", group, t->name);
}

/* The group that holds a tensor. Optimizer states exist only for trained tensors; any other tensor is in /params. */
static const char *group_of(const struct tensor *t, const char *group)
{
    return t->role == TENSOR_TRAINED ? group : "params";
}

static int tensors_write(struct h5 *h5, const struct net *net, const char *group, const float *values, struct error *why)
{
    char name[H5_NAME];
    struct h5_shape shape;
    for (const struct tensor *t = net->tensors; t < net->tensors + net->tensor_count; t++) {
        if (strcmp(group_of(t, group), group))
            continue;
        data_set_of(t, group, name, &shape);
        if (h5_write(h5, name, &shape, t->axis, values + t->offset, why))
            return -1;
    }
    return 0;
}

/* Refuses a data set whose type or shape is not the one that the net needs. */
static int data_set_check(struct h5 *h5, const char *name, const struct h5_shape *wanted, struct error *why)
{
    struct h5_shape found;
    char found_text[96], wanted_text[96];
    if (h5_shape(h5, name, &found, why))
        return -1;
    if (found.type == H5_FLOAT && found.rank == wanted->rank &&
        !memcmp(found.size, wanted->size, (size_t)found.rank * sizeof found.size[0]))
        return 0;
    h5_shape_text(&found, found_text, sizeof found_text);
    h5_shape_text(wanted, wanted_text, sizeof wanted_text);
    return error_set(why, "%s: %s is %s %s, where the model needs float32 %s", h5_path(h5), name, h5_type_name(found.type),
                     found_text, wanted_text);
}

/* complete: tensors that the group does not hold are read from /params; else they are left as they are. */
static int tensors_read(struct h5 *h5, const struct net *net, const char *group, bool complete, float *values, struct error *why)
{
    char name[H5_NAME];
    struct h5_shape shape;
    for (const struct tensor *t = net->tensors; t < net->tensors + net->tensor_count; t++) {
        if (!complete && strcmp(group_of(t, group), group))
            continue;
        data_set_of(t, group_of(t, group), name, &shape);
        if (data_set_check(h5, name, &shape, why) || h5_read(h5, name, 0, shape.size[0], values + t->offset, why))
            return -1;
    }
    return 0;
}

/* ---- the optimizer's states: one group each ---- */

static int states_write(struct h5 *h5, const struct checkpoint *c, const struct net *net, struct error *why)
{
    for (int i = 0; c->optimizer && i < c->optimizer->state_count; i++)
        if (c->states[i] && tensors_write(h5, net, c->optimizer->states[i].name, c->states[i], why))
            return -1;
    return 0;
}

static int states_read(struct h5 *h5, const struct checkpoint *c, const struct net *net, struct error *why)
{
    for (int i = 0; c->optimizer && i < c->optimizer->state_count; i++) {
        const struct optimizer_state *state = &c->optimizer->states[i];
        if (c->states[i] && tensors_read(h5, net, state->name, state->from_parameters, c->states[i], why))
            return -1;
    }
    return 0;
}

/* ---- the digest ---- */

static int line_add(struct digest *digest, const char *name, const char *value, struct error *why)
{
    return digest_add(digest, name, strlen(name), why) || digest_add(digest, "=", 1, why) ||
                   digest_add(digest, value, strlen(value), why) || digest_add(digest, "\n", 1, why) ? -1 : 0;
}

static int attributes_add(struct h5 *h5, const char *object, struct digest *digest, struct error *why)
{
    char (*names)[H5_NAME], value[8192];
    int count, status = 0;
    if (h5_attributes(h5, object, &names, &count, why))
        return -1;
    for (int i = 0; i < count && !status; i++) {
        if (!strcmp(names[i], "digest") || !strcmp(names[i], "complete"))
            continue;
        status = h5_get_as_text(h5, object, names[i], value, sizeof value, why);
        if (!status)
            status = line_add(digest, names[i], value, why);
    }
    free(names);
    return status;
}

static int data_sets_add(struct h5 *h5, struct digest *digest, struct error *why)
{
    char (*names)[H5_NAME], value[256];
    int count, status = 0;
    if (h5_list(h5, &names, &count, why))
        return -1;
    for (int i = 0; i < count && !status; i++) {
        struct h5_shape shape;
        status = h5_shape(h5, names[i], &shape, why);
        if (status)
            break;
        h5_shape_text(&shape, value, 128);
        size_t length = strlen(value);
        value[length] = ' ';
        status = h5_sha256(h5, names[i], value + length + 1, why);
        if (!status)
            status = line_add(digest, names[i], value, why);
    }
    free(names);
    return status;
}

static int content_digest(struct h5 *h5, char text[DIGEST_TEXT], struct error *why)
{
    struct digest digest;
    if (digest_open(&digest, "sha256", why))
        return -1;
    int status = attributes_add(h5, "/", &digest, why) || attributes_add(h5, "/provenance", &digest, why) ||
                         data_sets_add(h5, &digest, why) ? -1 : 0;
    struct error ignored;
    return digest_close(&digest, status ? NULL : text, status ? &ignored : why) || status ? -1 : 0;
}

/* ---- saving ---- */

/* Writes nothing if the image size is unknown. */
static int image_write(struct h5 *h5, const struct checkpoint *c, struct error *why)
{
    if (!c->image_height)
        return 0;
    return h5_set_integer(h5, "/", "image_height", c->image_height, why) ||
                   h5_set_integer(h5, "/", "image_width", c->image_width, why) ||
                   h5_set_text(h5, "/", "resize", c->resize, why) ? -1 : 0;
}

static int state_write(struct h5 *h5, const struct checkpoint *c, const struct net *net, struct error *why)
{
    const char **names = memory_new((size_t)c->classes, sizeof *names, "class names", why);
    if (!names)
        return -1;
    for (int i = 0; i < c->classes; i++)
        names[i] = c->class_names[i];
    int failed = h5_set_text(h5, "/", "model", c->model, why) ||
                 h5_set_integer(h5, "/", "parameters", (int64_t)net->parameters, why) ||
                 h5_set_integer(h5, "/", "step", (int64_t)c->step, why) ||
                 h5_set_integer(h5, "/", "position", (int64_t)c->position, why) ||
                 h5_set_integer(h5, "/", "seed", (int64_t)c->seed, why) ||
                 h5_set_real(h5, "/", "loss_average", c->loss_average, why) ||
                 h5_set_real(h5, "/", "total_loss_average", c->total_loss_average, why) ||
                 h5_set_real(h5, "/", "wall_seconds", c->wall_seconds, why) ||
                 (c->evaluation_seconds > 0 &&
                  h5_set_real(h5, "/", "evaluation_seconds", c->evaluation_seconds, why)) ||
                 h5_set_integer(h5, "/", "channels", c->channels, why) ||
                 image_write(h5, c, why) || h5_set_integer(h5, "/", "classes", c->classes, why) ||
                 h5_set_texts(h5, "/", "class_names", names, c->classes, why) ||
                 h5_set_text(h5, "/", "dataset", c->dataset, why) ||
                 h5_set_text(h5, "/", "dataset_sha256", c->dataset_sha256, why) ||
                 h5_set_text(h5, "/", "convolutions", c->convolutions, why);
    free(names);
    return failed ? -1 : 0;
}

static int label_write(struct h5 *h5, const struct checkpoint *c, struct error *why)
{
    char about[256], created[64];
    time_t now = time(NULL);
    struct tm utc;
    if (!gmtime_r(&now, &utc) || !strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &utc))
        return error_set(why, "the time cannot be read");
    snprintf(about, sizeof about,
             "Parameters of model %s after %" PRIu64 " updates (/params) and their moving averages (/ema)", c->model,
             c->step);
    return h5_set_text(h5, "/", "format", CHECKPOINT_FORMAT, why) ||
                   h5_set_integer(h5, "/", "format_version", CHECKPOINT_VERSION, why) ||
                   h5_set_text(h5, "/", "about", about, why) || h5_set_text(h5, "/", "created", created, why) ? -1 : 0;
}

static int provenance_write(struct h5 *h5, const struct provenance *provenance, int count, struct error *why)
{
    if (h5_make_group(h5, "/provenance", why))
        return -1;
    for (int i = 0; i < count; i++)
        if (h5_set_text(h5, "/provenance", provenance[i].name, provenance[i].text, why))
            return -1;
    return 0;
}

static int content_write(struct h5 *h5, const struct checkpoint *c, const struct net *net,
                         const struct provenance *provenance, int provenance_count, struct error *why)
{
    char digest[DIGEST_TEXT];
    return label_write(h5, c, why) || state_write(h5, c, net, why) ||
                   tensors_write(h5, net, "params", c->parameters, why) ||
                   states_write(h5, c, net, why) ||
                   provenance_write(h5, provenance, provenance_count, why) || content_digest(h5, digest, why) ||
                   h5_set_text(h5, "/", "digest", digest, why) || h5_set_integer(h5, "/", "complete", 1, why) ? -1 : 0;
}

int checkpoint_save(const struct checkpoint *checkpoint, const struct net *net, const char *directory,
                    const struct provenance *provenance, int provenance_count, struct error *why)
{
    char file[4096], temporary[4096];
    struct error ignored;
    if (strlen(directory) > sizeof file - 64)
        return error_set(why, "%.64s...: the directory's name is too long", directory);
    checkpoint_name(directory, checkpoint->step, file, sizeof file);
    if (file_beside(file, temporary, sizeof temporary, why))
        return -1;
    leftovers_remove(directory, &ignored); /* to free their disk space; a leftover that stays does no harm */
    struct h5 *h5 = h5_create_in_memory(temporary, why);
    if (!h5)
        return -1;
    int status = content_write(h5, checkpoint, net, provenance, provenance_count, why);
    if (h5_close(h5, status ? &ignored : why) || status || file_commit(temporary, file, why)) {
        unlink(temporary);
        return -1;
    }
    return 0;
}

/* ---- loading ---- */

/* Returns 0, -1 for another format version, or CHECKPOINT_DAMAGED; so do the functions below. */
static int label_check(struct h5 *h5, struct error *why)
{
    char found[64];
    int64_t version, complete;
    if (!h5_has(h5, "/", "format") || h5_get_text(h5, "/", "format", found, sizeof found, why) ||
        strcmp(found, CHECKPOINT_FORMAT) || h5_get_integer(h5, "/", "format_version", &version, why)) {
        error_set(why, "%s: is an HDF5 file, but not a checkpoint of cifar10_mpi", h5_path(h5));
        return CHECKPOINT_DAMAGED;
    }
    if (version != CHECKPOINT_VERSION)
        return error_set(why, "%s: is a checkpoint of format %" PRId64 "; this program reads format %d", h5_path(h5),
                         version, CHECKPOINT_VERSION);
    if (h5_has(h5, "/", "complete") && !h5_get_integer(h5, "/", "complete", &complete, why) && complete == 1)
        return 0;
    error_set(why, "%s: is a checkpoint that was not written to its end", h5_path(h5));
    return CHECKPOINT_DAMAGED;
}

static int digest_check(struct h5 *h5, struct error *why)
{
    char stored[DIGEST_TEXT], found[DIGEST_TEXT];
    if (h5_get_text(h5, "/", "digest", stored, sizeof stored, why) || content_digest(h5, found, why))
        return CHECKPOINT_DAMAGED;
    if (!strcmp(stored, found))
        return 0;
    error_set(why, "%s: is damaged: its digest is %s, its content's is %s", h5_path(h5), stored, found);
    return CHECKPOINT_DAMAGED;
}

int checkpoint_verify(struct h5 *h5, struct error *why)
{
    int status = label_check(h5, why);
    return status ? status : digest_check(h5, why);
}

static int check_once(const char *file, struct error *why)
{
    struct error ignored;
    struct h5 *h5 = h5_open(file, why);
    int status = h5 ? checkpoint_verify(h5, why) : CHECKPOINT_DAMAGED;
    h5_close(h5, &ignored);
    return status;
}

/* HDF5 does not distinguish a damaged file from a failure to read it. So after a failure, reads the whole file by system calls,
 * which do distinguish them, and then checks again, in case the failure was temporary. */
int checkpoint_check(const char *file, struct error *why)
{
    int status = check_once(file, why);
    if (status == CHECKPOINT_DAMAGED)
        status = file_readable(file, why) ? -1 : check_once(file, why);
    return status;
}

/* Reads the image size and resize; older checkpoints lack them. */
static int image_read(struct h5 *h5, struct checkpoint *c, struct error *why)
{
    int64_t height = 0, width = 0;
    c->image_height = c->image_width = 0;
    c->resize[0] = '\0';
    if (!h5_has(h5, "/", "image_height"))
        return 0;
    if (h5_get_integer(h5, "/", "image_height", &height, why) || h5_get_integer(h5, "/", "image_width", &width, why) ||
        h5_get_text(h5, "/", "resize", c->resize, sizeof c->resize, why))
        return -1;
    if (height < 1 || height > IMAGE_SIDE_MAX || width < 1 || width > IMAGE_SIDE_MAX)
        return error_set(why, "%s: makes no sense: images of %" PRId64 " x %" PRId64 " pixels", h5_path(h5), height, width);
    c->image_height = (int)height;
    c->image_width = (int)width;
    return 0;
}

/* Reads everything except the buffers; class_names is a new array. */
static int state_read(struct h5 *h5, struct checkpoint *c, struct error *why)
{
    int64_t step, position, seed, channels, classes;
    int names;
    c->class_names = NULL;
    c->evaluation_seconds = 0;
    if (h5_get_text(h5, "/", "model", c->model, sizeof c->model, why) ||
        h5_get_integer(h5, "/", "step", &step, why) || h5_get_integer(h5, "/", "position", &position, why) ||
        h5_get_integer(h5, "/", "seed", &seed, why) || h5_get_real(h5, "/", "loss_average", &c->loss_average, why) ||
        h5_get_real(h5, "/", "total_loss_average", &c->total_loss_average, why) ||
        h5_get_real(h5, "/", "wall_seconds", &c->wall_seconds, why) ||
        (h5_has(h5, "/", "evaluation_seconds") &&
         h5_get_real(h5, "/", "evaluation_seconds", &c->evaluation_seconds, why)) ||
        h5_get_integer(h5, "/", "channels", &channels, why) || h5_get_integer(h5, "/", "classes", &classes, why) ||
        h5_get_text(h5, "/", "dataset", c->dataset, sizeof c->dataset, why) ||
        h5_get_text(h5, "/", "dataset_sha256", c->dataset_sha256, sizeof c->dataset_sha256, why) ||
        (h5_has(h5, "/", "convolutions") && /* absent in older checkpoints, which chose by shape */
         h5_get_text(h5, "/", "convolutions", c->convolutions, sizeof c->convolutions, why)) ||
        image_read(h5, c, why) ||
        h5_get_texts(h5, "/", "class_names", &c->class_names, &names, why))
        return -1;
    c->step = (uint64_t)step;
    c->position = (uint64_t)position;
    c->seed = (uint64_t)seed;
    c->channels = (int)channels;
    c->classes = (int)classes;
    if (step >= 0 && position >= 0 && channels > 0 && channels <= CHANNELS_MAX && classes == names && classes > 0 &&
        classes <= CLASSES_MAX)
        return 0;
    return error_set(why, "%s: makes no sense: step %" PRId64 ", position %" PRId64 ", %" PRId64 " channels, %" PRId64
                     " classes with %d names", h5_path(h5), step, position, channels, classes, names);
}

static int net_match(struct h5 *h5, const struct checkpoint *c, const struct net *net, struct error *why)
{
    int64_t parameters;
    if (h5_get_integer(h5, "/", "parameters", &parameters, why))
        return -1;
    if (!strcmp(c->model, net->model->name) && c->channels == net->input.channels && c->classes == net->classes)
        return 0;
    return error_set(why, "%s: is of model %s for %d channels and %d classes (%" PRId64 " parameters), not of model %s "
                     "for %d channels and %d classes (%zu)", h5_path(h5), c->model, c->channels, c->classes, parameters,
                     net->model->name, net->input.channels, net->classes, net->parameters);
}

/* Opens, checks the format, reads the state, and, given a net, everything else. */
static int checkpoint_read(struct checkpoint *checkpoint, const struct net *net, const char *file, struct error *why)
{
    struct checkpoint found = *checkpoint;
    found.class_names = NULL;
    struct error ignored;
    struct h5 *h5 = h5_open(file, why);
    if (!h5)
        return -1;
    bool failed = label_check(h5, why) || state_read(h5, &found, why);
    if (!failed && net)
        failed = net_match(h5, &found, net, why) ||
                 tensors_read(h5, net, "params", true, found.parameters, why) ||
                 states_read(h5, &found, net, why) || digest_check(h5, why);
    if (h5_close(h5, failed ? &ignored : why) || failed) {
        free(found.class_names);
        return -1;
    }
    *checkpoint = found;
    return 0;
}

int checkpoint_peek(struct checkpoint *checkpoint, const char *file, struct error *why)
{
    return checkpoint_read(checkpoint, NULL, file, why);
}

int checkpoint_load(struct checkpoint *checkpoint, const struct net *net, const char *file, struct error *why)
{
    return checkpoint_read(checkpoint, net, file, why);
}

int checkpoint_provenance(const char *file, const char *name, char *text, size_t size, struct error *why)
{
    struct error ignored;
    struct h5 *h5 = h5_open(file, why);
    text[0] = '\0';
    if (!h5)
        return -1;
    int status = h5_has(h5, "/provenance", name) ? h5_get_text(h5, "/provenance", name, text, size, why) : 0;
    h5_close(h5, &ignored); /* it was only read */
    return status;
}
