#include "digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

int digest_open(struct digest *digest, const char *algorithm, struct error *why)
{
    const EVP_MD *kind = EVP_get_digestbyname(algorithm);
    digest->context = EVP_MD_CTX_new();
    if (kind && digest->context && EVP_DigestInit_ex(digest->context, kind, NULL))
        return 0;
    EVP_MD_CTX_free(digest->context);
    digest->context = NULL;
    return error_set(why, "the digest %s is not to be had from OpenSSL", algorithm);
}

int digest_add(struct digest *digest, const void *data, size_t bytes, struct error *why)
{
    return EVP_DigestUpdate(digest->context, data, bytes) ? 0 : error_set(why, "OpenSSL cannot compute a digest");
}

int digest_close(struct digest *digest, char text[DIGEST_TEXT], struct error *why)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int done = !text || EVP_DigestFinal_ex(digest->context, bytes, &size);
    EVP_MD_CTX_free(digest->context);
    digest->context = NULL;
    for (unsigned i = 0; text && i < size && 2 * i + 2 < DIGEST_TEXT; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return done ? 0 : error_set(why, "OpenSSL cannot compute a digest");
}

int digest_data(const void *data, size_t bytes, const char *algorithm, char text[DIGEST_TEXT], struct error *why)
{
    struct digest digest;
    if (digest_open(&digest, algorithm, why))
        return -1;
    int status = digest_add(&digest, data, bytes, why), closed = digest_close(&digest, status ? NULL : text, why);
    return status || closed ? -1 : 0;
}

int digest_file(const char *file, const char *algorithm, char text[DIGEST_TEXT], struct error *why)
{
    struct digest digest;
    struct error ignored;
    unsigned char block[1 << 16];
    size_t bytes;
    FILE *stream = fopen(file, "re");
    if (!stream)
        return error_set(why, "%s: cannot be opened: %s", file, strerror(errno));
    int status = digest_open(&digest, algorithm, why);
    while (!status && (bytes = fread(block, 1, sizeof block, stream)) > 0)
        status = digest_add(&digest, block, bytes, why);
    if (!status && ferror(stream))
        status = error_set(why, "%s: cannot be read: %s", file, strerror(errno));
    fclose(stream);
    return status ? digest_close(&digest, NULL, &ignored), -1 : digest_close(&digest, text, why);
}
