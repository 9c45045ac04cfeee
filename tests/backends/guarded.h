/* Memory between two protected pages: the processor stops any access beyond its end or its beginning, even by code that no
 * sanitizer sees, such as code that libraries compile at run time. */
#ifndef TESTS_BACKENDS_GUARDED_H
#define TESTS_BACKENDS_GUARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded {
    void *data; /* zeroed; NULL if there was no memory */
    void *pages;
    size_t bytes; /* of the pages */
};

/* at_end: the last byte touches the page after it; else the first byte touches the page before it. */
static inline struct guarded guarded_new(size_t bytes, bool at_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inside = (bytes + page - 1) / page * page;
    struct guarded g = {.bytes = inside + 2 * page};
    g.pages = mmap(NULL, g.bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *begin = (char *)g.pages + page;
    if (g.pages == MAP_FAILED || (inside && mprotect(begin, inside, PROT_READ | PROT_WRITE)))
        return (struct guarded){0};
    g.data = at_end ? begin + inside - bytes : begin;
    return g;
}

static inline void guarded_free(const struct guarded *g)
{
    munmap(g->pages, g->bytes);
}

#endif
