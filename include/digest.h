/* Digests of a stream of data, by OpenSSL. */
#ifndef DIGEST_H
#define DIGEST_H

#include <stddef.h>

#include "error.h"

enum { DIGEST_TEXT = 65 };

struct digest {
    void *context;
};

/* algorithm: "sha256" or "md5". */
int digest_open(struct digest *digest, const char *algorithm, struct error *why);
int digest_add(struct digest *digest, const void *data, size_t bytes, struct error *why);
/* Writes the digest of all added data to `text`, in lower-case hexadecimal, and frees the context. text NULL: only frees it. */
int digest_close(struct digest *digest, char text[DIGEST_TEXT], struct error *why);

/* The digest of data in memory, and of a whole file. */
int digest_data(const void *data, size_t bytes, const char *algorithm, char text[DIGEST_TEXT], struct error *why);
int digest_file(const char *file, const char *algorithm, char text[DIGEST_TEXT], struct error *why);

#endif
