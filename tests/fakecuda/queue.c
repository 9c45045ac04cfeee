/* Enqueued work: a graph of pieces of work, which run when something waits for them, in an order drawn from the seed. */
#include <stddef.h>
#include <string.h>

#include "inside.h"

enum { NAN_BYTE = 0xff };

struct node {
    struct work work;
    int device, references, place; /* place: its index among the pending ones */
    int waits;                     /* number of unfinished nodes that it waits for */
    bool done, needed, hashed;
    uint64_t hash; /* of the memory that it reads */
    double finish;
    struct set before; /* until it is done */
    struct node **after;
    int after_count, after_room;
    max_align_t state[];
};

struct list {
    struct node **at;
    int count, room;
};

static struct {
    struct list pending; /* in no order */
    const char *running;
    double clock; /* ms */
} queue;

/* ---- sets ---- */

static void release(struct node *node)
{
    if (--node->references > 0)
        return;
    free(node->after);
    free(node);
}

static void push(struct node ***at, int *count, int *room, struct node *node)
{
    if (*count == *room) {
        *room = 2 * *room + 4;
        *at = need(realloc(*at, (size_t)*room * sizeof **at));
    }
    (*at)[(*count)++] = node;
}

void set_add(struct set *set, struct node *node)
{
    for (int i = 0; i < set->count; i++)
        if (set->at[i] == node)
            return;
    node->references++;
    push(&set->at, &set->count, &set->room, node);
}

void set_join(struct set *set, const struct set *other)
{
    for (int i = 0; i < other->count; i++)
        set_add(set, other->at[i]);
}

void set_clear(struct set *set)
{
    for (int i = 0; i < set->count; i++)
        release(set->at[i]);
    free(set->at);
    *set = (struct set){0};
}

double set_prune(struct set *set, double time)
{
    int kept = 0;
    for (int i = 0; i < set->count; i++) {
        struct node *node = set->at[i];
        if (!node->done) {
            set->at[kept++] = node;
            continue;
        }
        time = node->finish > time ? node->finish : time;
        release(node);
    }
    set->count = kept;
    return time;
}

/* ---- pinned memory that queued work reads or writes ---- */

static bool overlap(const void *a, const void *b, size_t a_bytes, size_t b_bytes)
{
    return a && b && (const char *)a < (const char *)b + b_bytes && (const char *)b < (const char *)a + a_bytes;
}

static const struct node *pending_reader(const void *host, size_t bytes)
{
    for (int i = 0; i < queue.pending.count; i++)
        if (overlap(queue.pending.at[i]->work.reads, host, queue.pending.at[i]->work.host_bytes, bytes))
            return queue.pending.at[i];
    return NULL;
}

static const struct node *pending_writer(const void *host, size_t bytes)
{
    for (int i = 0; i < queue.pending.count; i++)
        if (overlap(queue.pending.at[i]->work.writes, host, queue.pending.at[i]->work.host_bytes, bytes))
            return queue.pending.at[i];
    return NULL;
}

const char *queue_uses(const void *host, size_t bytes)
{
    const struct node *user = pending_reader(host, bytes);
    if (!user)
        user = pending_writer(host, bytes);
    return user ? user->work.what : NULL;
}

/* FNV-1a, by words. */
static uint64_t hash(const void *data, size_t bytes)
{
    const char *at = data;
    uint64_t h = 14695981039346656037u, word = 0;
    for (; bytes >= sizeof word; bytes -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        h = (h ^ word) * 1099511628211u;
    }
    for (; bytes > 0; bytes--, at++)
        h = (h ^ (unsigned char)*at) * 1099511628211u;
    return h;
}

/* Fills memory that pending work will write with NaN, unless pending work still has to read it. */
static void spoil(const void *host, size_t bytes)
{
    for (int i = 0; host && i < queue.pending.count; i++) {
        const struct work *w = &queue.pending.at[i]->work;
        if (overlap(w->writes, host, w->host_bytes, bytes) && !pending_reader(w->writes, w->host_bytes))
            memset(w->writes, NAN_BYTE, w->host_bytes);
    }
}

static void watch_host(struct node *node)
{
    const struct work *w = &node->work;
    const void *host = w->reads ? w->reads : w->writes;
    if (host && !fake_is_pinned(host, w->host_bytes)) /* possible for a graph's work, recorded long ago */
        fake_misuse("%s uses host memory (%zu bytes) that is no longer pinned", w->what, w->host_bytes);
    if (w->reads && !pending_writer(w->reads, w->host_bytes)) {
        node->hashed = true;
        node->hash = hash(w->reads, w->host_bytes);
    }
    spoil(w->writes, w->host_bytes);
}

static void check_host(const struct node *node)
{
    const struct work *w = &node->work;
    if (node->hashed && node->hash != hash(w->reads, w->host_bytes))
        fake_misuse("pinned memory (%zu bytes) was written before the copy from it was done: %s", w->host_bytes, w->what);
}

/* ---- the queue ---- */

struct node *queue_add(int device, const struct work *work, const struct set *before)
{
    struct node *node = need(calloc(1, sizeof *node + work->bytes));
    *node = (struct node){.work = *work, .device = device, .place = queue.pending.count};
    node->work.state = node->state;
    if (work->bytes)
        memcpy(node->state, work->state, work->bytes);
    for (int i = 0; i < before->count; i++) {
        struct node *b = before->at[i];
        if (b->done)
            continue;
        set_add(&node->before, b);
        push(&b->after, &b->after_count, &b->after_room, node);
        node->waits++;
    }
    node->references++;
    push(&queue.pending.at, &queue.pending.count, &queue.pending.room, node);
    watch_host(node);
    return node;
}

static void take_out(struct node *node)
{
    struct node *last = queue.pending.at[--queue.pending.count];
    queue.pending.at[last->place = node->place] = last;
}

static void work_run(struct node *node)
{
    if (call_broken() || call_run(node->work.what))
        return;
    queue.running = node->work.what;
    memory_open(node->device);
    check_host(node);
    node->work.run(node->state);
    memory_check(node->work.what);
    queue.running = NULL;
}

void fake_takes(double milliseconds)
{
    queue.clock += milliseconds;
}

static void execute(struct node *node)
{
    work_run(node);
    node->done = true;
    queue.clock += 0.001 + 0.02 * random_fraction();
    node->finish = queue.clock;
    take_out(node);
    for (int i = 0; i < node->after_count; i++)
        node->after[i]->waits--;
    set_clear(&node->before);
    if (node->work.host_bytes)
        spoil(node->work.reads ? node->work.reads : node->work.writes, node->work.host_bytes);
    release(node);
}

/* Whether the work waits for other ranks (NCCL). Another rank does its part only when it has to wait for something. */
static bool meets_others(const struct node *node)
{
    return strncmp(node->work.what, "nccl", 4) == 0;
}

/* Draws a node that can run now: a needed one, or any. */
static struct node *draw(bool needed)
{
    struct node *chosen = NULL;
    size_t candidates = 0;
    for (int i = 0; i < queue.pending.count; i++) {
        struct node *node = queue.pending.at[i];
        if (node->waits == 0 && (node->needed || !(needed || meets_others(node))) && random_below(++candidates) == 0)
            chosen = node;
    }
    return chosen;
}

/* Marks a node and all that it depends on as needed; returns how many were marked. */
static int mark(struct node *first)
{
    struct list todo = {0};
    int marked = 0;
    push(&todo.at, &todo.count, &todo.room, first);
    while (todo.count) {
        struct node *node = todo.at[--todo.count];
        if (node->done || node->needed)
            continue;
        node->needed = true;
        marked++;
        for (int i = 0; i < node->before.count; i++)
            push(&todo.at, &todo.count, &todo.room, node->before.at[i]);
    }
    free(todo.at);
    return marked;
}

static void run_marked(int needed)
{
    size_t eager = random_below(4); /* in that many of three cases, other work may run too */
    while (needed > 0) {
        struct node *node = draw(random_below(3) >= eager);
        needed -= node->needed;
        execute(node);
    }
    memory_close();
}

void queue_run(const struct set *wanted)
{
    int needed = 0;
    for (int i = 0; i < wanted->count; i++)
        needed += mark(wanted->at[i]);
    run_marked(needed);
}

void queue_run_device(int device)
{
    int needed = 0;
    for (int i = 0; i < queue.pending.count; i++)
        if (device < 0 || queue.pending.at[i]->device == device)
            needed += mark(queue.pending.at[i]);
    run_marked(needed);
}

const char *queue_running(void)
{
    return queue.running;
}
