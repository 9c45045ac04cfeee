/* All ranks work in rounds. A round is a contiguous part of the images, and each rank takes a contiguous share of it. So rank 0
 * gets the results in the order of the images, and keeps only one round of them. */
#include "counter.h"

#include <inttypes.h>
#include <stdlib.h>

#include "softmax.h"

/* Part `index` of [first, first + count), cut into `parts` whose sizes differ by at most one. */
struct share {
    int64_t first, count;
};
static struct share share_part(struct share whole, int64_t index, int64_t parts)
{
    int64_t from = whole.count * index / parts, to = whole.count * (index + 1) / parts;
    return (struct share){whole.first + from, to - from};
}

/* The number of rounds in which all ranks together evaluate all images, at most `batch` on each. */
static int64_t counter_rounds(const struct counter *c)
{
    int64_t most = (int64_t)c->request.batch * c->request.world->size;
    return (c->request.examples + most - 1) / most;
}

static struct share share_of(const struct counter *c, int64_t round, int rank)
{
    struct share all = {0, c->request.examples};
    return share_part(share_part(all, round, counter_rounds(c)), rank, c->request.world->size);
}

/* ---- one rank's share ---- */

static void fill_batch(struct counter *c, struct share share)
{
    const struct dataset *d = c->request.dataset;
    const struct shape in = c->request.tower->net->input;
    struct frame frame = dataset_frame(d, in.height, in.width);
    struct distortion center = distort_center(&frame);
    size_t image = (size_t)d->height * d->width * d->channels;
    for (int64_t i = 0; i < share.count; i++) {
        distort_apply(d->images + (size_t)(share.first + i) * image, &frame, &center, c->images + (size_t)i * shape_size(in));
        c->labels[i] = d->labels[share.first + i];
    }
}

/* The number of classes that are more probable than the label. Of classes with equal logits the first counts as more probable, as
 * in index_of_largest; so the label has rank 0 if it is the prediction. */
static int32_t rank_of(const float *logits, int classes, int label)
{
    int32_t rank = 0;
    for (int i = 0; i < classes; i++)
        rank += logits[i] > logits[label] || (logits[i] == logits[label] && i < label);
    return rank;
}

/* Reads the logits of the share that the tower has just evaluated, and makes the rows. */
static int make_rows(struct counter *c, struct share share, struct error *why)
{
    const struct tower *tower = c->request.tower;
    int classes = tower->net->classes;
    if (tower->backend->memory_download(c->logits, tower->plan.output, (size_t)(share.count * classes), why))
        return -1;
    for (int64_t i = 0; i < share.count; i++) {
        const float *logits = c->logits + i * classes;
        int label = c->labels[i], prediction = index_of_largest(logits, classes);
        softmax(logits, classes, c->probabilities);
        c->rows[i] = (struct classified){.image = share.first + i, .label = label, .prediction = prediction,
                                         .label_rank = rank_of(logits, classes, label),
                                         .probability = c->probabilities[prediction],
                                         .label_probability = c->probabilities[label]};
    }
    return 0;
}

static int evaluate_share(struct counter *c, struct share share, struct loss_sums *sums, int64_t *in_five, struct error *why)
{
    struct batch batch = {.count = (int)share.count, .images = c->images, .labels = c->labels};
    if (!share.count)
        return 0;
    fill_batch(c, share);
    if (tower_evaluate(c->request.tower, &batch, sums, why) || make_rows(c, share, why))
        return -1;
    for (int64_t i = 0; i < share.count; i++)
        *in_five += c->rows[i].label_rank < COUNTER_FIRST;
    return 0;
}

/* ---- all ranks ---- */

/* Collective. Hands the rows of a round to rank 0's listener. */
static int hand_rows(struct counter *c, int64_t round, struct error *why)
{
    const struct counter_request *r = &c->request;
    if (!r->listen)
        return 0;
    if (world_gather(r->world, c->rows, (size_t)r->batch * sizeof *c->rows, c->gathered, why))
        return -1;
    for (int rank = 0; r->world->rank == 0 && rank < r->world->size; rank++)
        r->listen(r->listener, c->gathered + (size_t)rank * (size_t)r->batch, (int)share_of(c, round, rank).count);
    return 0;
}

static void show_round(const struct counter *c, int64_t round)
{
    struct share next = share_part((struct share){0, c->request.examples}, round + 1, counter_rounds(c));
    if (c->request.progress)
        progress_count(c->request.progress, "evaluating", "images", 1, next.first, c->request.examples);
}

static int evaluate_rounds(struct counter *c, struct loss_sums *sums, int64_t *in_five, struct error *why)
{
    for (int64_t round = 0, rounds = counter_rounds(c); round < rounds; round++) {
        if (evaluate_share(c, share_of(c, round, c->request.world->rank), sums, in_five, why) || hand_rows(c, round, why))
            return -1;
        show_round(c, round);
    }
    return 0;
}

/* Collective. The loss is summed as a fixed-point number, so that the order of the ranks does not matter. */
static int sum_ranks(const struct counter *c, const struct loss_sums *sums, int64_t in_five, struct evaluated *e, struct error *why)
{
    const struct counter_request *r = &c->request;
    bool fits = sums->loss >= 0 && sums->loss < 0x1p62 / r->world->size * 0x1p-20; /* false for NaN */
    int64_t totals[5] = {sums->correct, sums->count, in_five, fits ? (int64_t)(sums->loss * 0x1p20) : 0, !fits};
    if (world_sum(r->world, totals, 5, why))
        world_abort(r->world, why->text);
    if (totals[4])
        return error_set(why, "the loss is no finite number, or far too large: the model has diverged");
    if (totals[1] != r->examples)
        return error_set(why, "%" PRId64 " of %" PRId64 " images were counted", totals[1], r->examples);
    e->right = totals[0];
    e->images = totals[1];
    e->in_five = totals[2];
    e->cross_entropy = (double)totals[3] * 0x1p-20 / (double)totals[1];
    e->split = r->dataset->split;
    e->data_sha256 = r->dataset->sha256;
    return 0;
}

int counter_run(struct counter *c, struct evaluated *evaluated, struct error *why)
{
    struct loss_sums sums = {0};
    int64_t in_five = 0;
    if (c->request.progress)
        progress_begin(c->request.progress);
    int status = evaluate_rounds(c, &sums, &in_five, why);
    if (c->request.progress)
        progress_clear(c->request.progress);
    if (status)
        world_abort(c->request.world, why->text);
    return sum_ranks(c, &sums, in_five, evaluated, why);
}

int counter_init(struct counter *c, const struct counter_request *request, struct error *why)
{
    const struct net *net = request->tower->net;
    size_t batch = (size_t)request->batch, classes = (size_t)net->classes;
    *c = (struct counter){.request = *request};
    if (!(c->images = memory_new(batch * shape_size(net->input), sizeof(float), "a batch", why)) ||
        !(c->labels = memory_new(batch, sizeof *c->labels, "a batch", why)) ||
        !(c->logits = memory_new(batch * classes, sizeof(float), "the logits", why)) ||
        !(c->probabilities = memory_new(classes, sizeof(float), "the probabilities", why)) ||
        !(c->rows = memory_new(batch, sizeof *c->rows, "a batch's results", why)))
        return -1;
    if (request->listen && request->world->rank == 0 &&
        !(c->gathered = memory_new(batch * (size_t)request->world->size, sizeof *c->rows, "all ranks' results", why)))
        return -1;
    return 0;
}

void counter_free(struct counter *c)
{
    free(c->images);
    free(c->labels);
    free(c->logits);
    free(c->probabilities);
    free(c->rows);
    free(c->gathered);
    *c = (struct counter){0};
}
