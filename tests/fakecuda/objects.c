/* Objects that must be given back: handles, descriptors, streams, events, graphs. */
#include <stdio.h>
#include <string.h>

#include "inside.h"

struct object {
    const char *kind;
    const void *object;
};

static struct {
    struct object *at;
    int count, room;
} objects;

void fake_taken(const char *kind, const void *object)
{
    if (objects.count == objects.room) {
        objects.room = 2 * objects.room + 16;
        objects.at = need(realloc(objects.at, (size_t)objects.room * sizeof *objects.at));
    }
    objects.at[objects.count++] = (struct object){kind, object};
}

static struct object *find(const char *kind, const void *object)
{
    for (int i = objects.count - 1; i >= 0; i--)
        if (objects.at[i].object == object && strcmp(objects.at[i].kind, kind) == 0)
            return &objects.at[i];
    return NULL;
}

bool fake_given_back(const char *kind, const void *object)
{
    struct object *found = find(kind, object);
    if (found)
        *found = objects.at[--objects.count];
    return found != NULL;
}

bool fake_is_taken(const char *kind, const void *object)
{
    return find(kind, object) != NULL;
}

bool fake_any_taken(const char *kind)
{
    for (int i = 0; i < objects.count; i++)
        if (strcmp(objects.at[i].kind, kind) == 0)
            return true;
    return false;
}

/* Prints one line per kind. */
int objects_left(void)
{
    for (int i = 0; i < objects.count; i++) {
        int same = 0;
        bool first = true;
        for (int j = 0; j < objects.count; j++) {
            bool equal = strcmp(objects.at[i].kind, objects.at[j].kind) == 0;
            same += equal;
            first &= !(equal && j < i);
        }
        if (first)
            fprintf(stderr, "fakecuda: not given back: %d of kind %s\n", same, objects.at[i].kind);
    }
    return objects.count;
}

cudaError_t object_destroy(const char *call, const char *kind, const void *object, cudaError_t wrong)
{
    cudaError_t status = call_begin(call, wrong);
    if (status)
        return status;
    return object && fake_given_back(kind, object) ? cudaSuccess : call_end(wrong);
}
