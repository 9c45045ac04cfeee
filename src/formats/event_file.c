/* Event files: TensorFlow's records (length, its checksum, data, its checksum), each with one Event. */
#include <errno.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "event.h"
#include "file.h"
#include "writing.h"

enum { LENGTH_BYTES = 8, CHECKSUM_BYTES = 4, HEADER = LENGTH_BYTES + CHECKSUM_BYTES, FRAME = HEADER + CHECKSUM_BYTES };
enum { HOST_SIZE = 65, NAMES_MAX = 1000 };

const char *events_library(void)
{
    return "protobuf-c " PROTOBUF_C_VERSION;
}

double seconds_since_1970(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void little_endian(uint64_t number, uint8_t *bytes, int count)
{
    for (int i = 0; i < count; i++)
        bytes[i] = (uint8_t)(number >> 8 * i);
}

/* The CRC-32C, masked as in TensorFlow, so that a record may contain records. */
static uint32_t masked_checksum(const uint8_t *bytes, size_t size)
{
    uint32_t crc = ~crc32_iscsi((unsigned char *)bytes, (int)size, ~0u);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* Appends whole records only: part of one that could not be written is cut off. */
static int record_append(struct event_file *file, const uint8_t *record, size_t size)
{
    struct stat now;
    if (fstat(file->descriptor, &now))
        return -1;
    if (now.st_nlink == 0) {
        errno = ENOENT;
        return -1;
    }
    if (file->half && ftruncate(file->descriptor, file->bytes))
        return -1;
    file->half = true;
    if (writing_all(file->descriptor, record, size)) {
        int code = errno;
        file->half = ftruncate(file->descriptor, file->bytes) != 0;
        errno = code;
        return -1;
    }
    file->half = false;
    file->bytes += (off_t)size;
    return 0;
}

int event_file_append_message(struct event_file *file, Tf__Event *message, struct error *why)
{
    message->wall_time = seconds_since_1970();
    size_t size = tf__event__get_packed_size(message);
    uint8_t *record = memory_new(size + FRAME, 1, "an event's record", why);
    if (!record)
        return -1;
    little_endian(size, record, LENGTH_BYTES);
    little_endian(masked_checksum(record, LENGTH_BYTES), record + LENGTH_BYTES, CHECKSUM_BYTES);
    tf__event__pack(message, record + HEADER);
    little_endian(masked_checksum(record + HEADER, size), record + HEADER + size, CHECKSUM_BYTES);
    int status = record_append(file, record, size + FRAME);
    if (status)
        error_set(why, "%s: cannot be written: %s", file->name, errno == ENOENT ? "it was removed" : strerror(errno));
    free(record);
    return status;
}

int event_file_append(struct event_file *file, const struct event *event, struct error *why)
{
    Tf__Event message = TF__EVENT__INIT;
    if (event->values.no_memory)
        return error_set(why, "%s: there is no memory for the event of step %lld", file->name, (long long)event->step);
    message.step = event->step;
    message.what_case = TF__EVENT__WHAT_SUMMARY;
    message.summary = (ProtobufCBinaryData){.len = event->values.size, .data = event->values.data};
    return event_file_append_message(file, &message, why);
}

static int append_version(struct event_file *file, struct error *why)
{
    static const char version[] = "brain.Event:2";
    Tf__Event message = TF__EVENT__INIT;
    message.what_case = TF__EVENT__WHAT_FILE_VERSION;
    message.file_version = (char *)version;
    return event_file_append_message(file, &message, why);
}

static int append_start(struct event_file *file, int64_t first_step, struct error *why)
{
    Tf__SessionLog log = TF__SESSION_LOG__INIT;
    Tf__Event message = TF__EVENT__INIT;
    log.status = TF__SESSION_LOG__STATUS__START;
    message.step = first_step;
    message.what_case = TF__EVENT__WHAT_SESSION_LOG;
    message.session_log = &log;
    return event_file_append_message(file, &message, why);
}

/* Creates a file with a new name. */
static int file_create(struct event_file *file, const char *directory, struct error *why)
{
    char host[HOST_SIZE] = "";
    if (gethostname(host, sizeof host - 1) || strchr(host, '/'))
        strcpy(host, "localhost");
    for (int n = 0; n < NAMES_MAX; n++) {
        int length = snprintf(file->name, sizeof file->name, "%s/events.out.tfevents.%010lld.%s.%ld.%d", directory,
                              (long long)time(NULL), host, (long)getpid(), n);
        if (length >= (int)sizeof file->name)
            return error_set(why, "the name of the directory %.60s... is too long", directory);
        file->descriptor = writing_open(file->name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL, 0666, why);
        if (file->descriptor >= 0 || errno != EEXIST)
            break;
    }
    return file->descriptor < 0 ? -1 : 0;
}

int event_file_open(struct event_file *file, const char *directory, int64_t first_step, struct error *why)
{
    *file = (struct event_file){.descriptor = -1};
    if (directory_make(directory, why) || file_create(file, directory, why))
        return -1;
    if (!append_version(file, why) && (first_step == 0 || !append_start(file, first_step, why)))
        return 0;
    close(file->descriptor);
    unlink(file->name);
    file->descriptor = -1;
    return -1;
}

int event_file_close(struct event_file *file, struct error *why)
{
    int descriptor = file->descriptor;
    file->descriptor = -1;
    if (descriptor < 0 || !close(descriptor))
        return 0;
    return error_set(why, "%s: cannot be written: %s", file->name, strerror(errno));
}
