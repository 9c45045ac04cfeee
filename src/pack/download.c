#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"
#include "progress.h"
#include "writing.h"

/* A transfer is given up if the server does not answer in time, or sends fewer than STALL_BYTES a second for STALL_SECONDS. */
enum { CONNECT_MS = 7000, STALL_BYTES = 1000, STALL_SECONDS = 15, REDIRECTS_MAX = 5 };

struct transfer {
    const struct download *download;
    CURL *curl;
    int file;
    int64_t start, bytes; /* of the file: at the start of the transfer; now */
    int write_errno;
    struct progress progress;
    char message[CURL_ERROR_SIZE];
};

/* Called by libcurl with received bytes. */
static size_t take_bytes(char *bytes, size_t size, size_t count, void *data)
{
    struct transfer *transfer = data;
    transfer->bytes += (int64_t)(size * count);
    if (transfer->bytes > transfer->download->bytes_max)
        return 0; /* not what libcurl passed in: it aborts the transfer */
    if (writing_all(transfer->file, bytes, size * count)) {
        transfer->write_errno = errno;
        return 0;
    }
    return size * count;
}

static int take_progress(void *data, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    (void)up_total, (void)up_now;
    struct transfer *transfer = data;
    progress_count(&transfer->progress, "downloading", "MB", 1e6, transfer->start + now, total > 0 ? transfer->start + total : 0);
    return 0;
}

static int set_options(struct transfer *transfer, struct error *why)
{
    CURL *curl = transfer->curl;
    const char *url = transfer->download->url;
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, url);
#define SET(option, value) code = code ? code : curl_easy_setopt(curl, option, value)
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    SET(CURLOPT_FAILONERROR, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    SET(CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
    SET(CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_USERAGENT, "cifar10_mpi/" VERSION);
    SET(CURLOPT_RESUME_FROM_LARGE, (curl_off_t)transfer->start);
    SET(CURLOPT_WRITEFUNCTION, take_bytes);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_XFERINFOFUNCTION, take_progress);
    SET(CURLOPT_XFERINFODATA, transfer);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_ERRORBUFFER, transfer->message);
#undef SET
    code = code ? code : (CURLcode)transfer_limit(curl, !strncasecmp(url, "https", 5));
    return code ? error_set(why, "%s: libcurl refuses: %s", url, curl_easy_strerror(code)) : 0;
}

/* Whether a resumed transfer failed because of its offset: the server has a different file now, or cannot start in the
 * middle. */
static bool cannot_resume(const struct transfer *transfer, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    return transfer->start > 0 && (code == CURLE_RANGE_ERROR || code == CURLE_BAD_DOWNLOAD_RESUME ||
                                   (code == CURLE_HTTP_RETURNED_ERROR && status == 416));
}

/* Appends one transfer to the open file. *restart: it failed, but a transfer from the beginning may work. */
static int transfer_run(struct transfer *transfer, bool *restart, struct error *why)
{
    const char *url = transfer->download->url, *part = transfer->download->part;
    transfer->curl = curl_easy_init();
    if (!transfer->curl)
        return error_set(why, "libcurl does not start");
    int status = set_options(transfer, why);
    CURLcode code = status ? CURLE_OK : curl_easy_perform(transfer->curl);
    progress_clear(&transfer->progress);
    bool over = transfer->bytes > transfer->download->bytes_max;
    *restart = cannot_resume(transfer, code) || (over && transfer->start > 0);
    if (transfer->write_errno)
        status = error_set(why, "%s: cannot be written: %s", part, strerror(transfer->write_errno));
    else if (over)
        status = error_set(why, "%s: sends more than the expected %lld bytes: it is a different file, and was removed",
                           url, (long long)transfer->download->bytes_max);
    else if (code)
        status = error_set(why, "%s: cannot be downloaded: %s; --from packs a copy that you have of CIFAR-10's binary version, "
                           "--url names a mirror", url,
                           transfer->message[0] ? transfer->message : curl_easy_strerror(code));
    curl_easy_cleanup(transfer->curl);
    return status;
}

/* Fetches the missing bytes of `part`. */
static int fetch(const struct download *download, bool *resumed, bool *restart, struct error *why)
{
    const char *part = download->part;
    struct transfer transfer = {.download = download};
    progress_open(&transfer.progress, download->progress);
    transfer.file = writing_open_private(part, O_WRONLY, why);
    if (transfer.file < 0)
        return -1;
    if (flock(transfer.file, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
        close(transfer.file);
        return error_set(why, "%s: another process is downloading into it", part);
    }
    transfer.start = transfer.bytes = lseek(transfer.file, 0, SEEK_END);
    *resumed = transfer.start > 0;
    int status = transfer.start < 0 ? error_set(why, "%s: is not a file to write to: %s", part, strerror(errno))
                                    : transfer_run(&transfer, restart, why);
    if (close(transfer.file) && !status)
        status = error_set(why, "%s: cannot be written: %s", part, strerror(errno));
    struct stat left;
    if (status && ((!stat(part, &left) && left.st_size == 0) || transfer.bytes > download->bytes_max))
        unlink(part); /* nothing to continue from */
    return status;
}

/* Whether an earlier transfer has fetched the whole file. */
static bool is_complete(const struct download *download)
{
    struct stat found;
    char digest[DIGEST_TEXT];
    struct error ignored;
    return download->md5[0] && !lstat(download->part, &found) && S_ISREG(found.st_mode) && found.st_size <= download->bytes_max &&
           !digest_file(download->part, "md5", digest, &ignored) && !strcasecmp(digest, download->md5);
}

/* Checks the file's digest, and removes the file if it is wrong. */
static int verify(const struct download *download, struct error *why)
{
    const char *url = download->url, *md5 = download->md5, *part = download->part;
    char found[DIGEST_TEXT];
    if (!md5[0])
        return 0;
    if (digest_file(part, "md5", found, why))
        return -1;
    if (!strcasecmp(found, md5))
        return 0;
    unlink(part);
    return error_set(why, "%s: what was downloaded has md5 %s instead of %s: it is damaged or a different file, and was removed "
                     "(--md5 sets the digest of another file)", url, found, md5);
}

/* Refuses a local file that is too large or not a regular one: a device or pipe may never end, and libcurl would wait for it. */
static int check_file(const char *url, int64_t bytes_max, struct error *why)
{
    struct stat found;
    int status = 0;
    const char *path = strchr(url + strlen("file://"), '/');
    int length = path ? (int)strcspn(path, "?#") : 0;
    char *plain = length ? curl_easy_unescape(NULL, path, length, NULL) : NULL;
    bool known = plain && !stat(plain, &found); /* otherwise libcurl gives the reason */
    if (known && !S_ISREG(found.st_mode))
        status = error_set(why, "%s: is no regular file", url);
    else if (known && found.st_size > bytes_max)
        status = error_set(why, "%s: has %lld bytes, more than the expected %lld: it is a different file", url,
                           (long long)found.st_size, (long long)bytes_max);
    curl_free(plain);
    return status;
}

static int check_download(const struct download *download, struct error *why)
{
    const char *url = download->url, *md5 = download->md5;
    if (strncasecmp(url, "http://", 7) && strncasecmp(url, "https://", 8) && strncasecmp(url, "file://", 7))
        return error_set(why, "--url '%s' does not begin with https://, http:// or file://", url);
    if (md5[0] && (strlen(md5) != 32 || strspn(md5, "0123456789abcdefABCDEF") != 32))
        return error_set(why, "--md5 '%s' is not a digest of 32 hexadecimal digits, nor 'none'", md5);
    return strncasecmp(url, "file://", 7) ? 0 : check_file(url, download->bytes_max, why);
}

int download_fetch(const struct download *download, struct error *why)
{
    if (check_download(download, why))
        return -1;
    if (is_complete(download))
        return 0;
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return error_set(why, "libcurl does not start");
    int status = -1;
    bool resumed = true, restart = true;
    while (status && resumed && restart) { /* at most twice: the second time from the beginning */
        restart = false;
        status = fetch(download, &resumed, &restart, why);
        if (!status) {
            status = verify(download, why);
            restart = true; /* if the digest is wrong; has no effect if this transfer started at the beginning */
        } else if (restart)
            unlink(download->part);
    }
    curl_global_cleanup();
    return status;
}
