#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum { FIRST_SLOTS = 1 << 10 };

static int hash_pixels(const uint8_t *pixels, size_t bytes, uint64_t *hash, struct error *why)
{
    char text[DIGEST_TEXT];
    if (digest_data(pixels, bytes, "sha256", text, why))
        return -1;
    text[2 * sizeof *hash] = '\0';
    *hash = strtoull(text, NULL, 16);
    return 0;
}

static bool is_free(const struct seen_image *slot)
{
    return slot->images[TRAIN] + slot->images[TEST] == 0;
}

/* The slot that holds the hash, or else the free slot where it belongs. */
static struct seen_image *find_slot(struct seen_image *slots, size_t size, uint64_t hash)
{
    size_t at = hash % size;
    while (!is_free(&slots[at]) && slots[at].hash != hash)
        at = (at + 1) % size;
    return &slots[at];
}

/* Doubles the table. At most three quarters of its slots are used. */
static int grow(struct seen *seen, struct error *why)
{
    size_t larger = seen->size ? 2 * seen->size : FIRST_SLOTS;
    struct seen_image *slots = memory_new(larger, sizeof *slots, "the table of image hashes", why);
    if (!slots)
        return -1;
    for (size_t i = 0; i < seen->size; i++)
        if (!is_free(&seen->slots[i]))
            *find_slot(slots, larger, seen->slots[i].hash) = seen->slots[i];
    free(seen->slots);
    seen->slots = slots;
    seen->size = larger;
    return 0;
}

int seen_add(struct seen *seen, const struct sample *sample, size_t bytes, struct error *why)
{
    uint64_t hash;
    bool is_full = 4 * seen->used >= 3 * seen->size && (seen->used < seen->most || !seen->size);
    if (hash_pixels(sample->pixels, bytes, &hash, why) || (is_full && grow(seen, why)))
        return -1;
    struct seen_image *slot = find_slot(seen->slots, seen->size, hash);
    if (is_free(slot)) {
        if (seen->used == seen->most)
            return 0;
        slot->hash = hash;
        seen->used++;
    }
    slot->images[sample->split]++;
    return 0;
}

int64_t seen_in_both(const struct seen *seen)
{
    int64_t count = 0;
    for (size_t i = 0; i < seen->size; i++)
        count += seen->slots[i].images[TRAIN] ? seen->slots[i].images[TEST] : 0;
    return count;
}

void seen_free(struct seen *seen)
{
    free(seen->slots);
    memset(seen, 0, sizeof *seen);
}
