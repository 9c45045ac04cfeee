/* Timelines: the packets of a part, the file made of all parts, and what happens when a part cannot be written. The packets are
 * decoded here by hand; tests/system/user/trace.sh reads whole files by Perfetto's own schema. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "trace.h"

static const struct trace_request two_ranks[] = {{.host = "here", .rank = 0, .loaders = 1},
                                                 {.host = "there", .rank = 1, .loaders = 1}};

/* Opens the trace of a rank; skips the test if the program was built without protobuf-c. */
static void open_rank(struct trace *trace, const char *file, int rank)
{
    struct trace_request request = two_ranks[rank];
    struct error why;
    request.file = file;
    if (!trace_open(trace, &request, &why))
        return;
    assert_non_null(strstr(why.text, "this program was built without protobuf-c"));
    skip();
}

static uint64_t varint(const unsigned char **at)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        unsigned char byte = *(*at)++;
        value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            return value;
    }
}

/* Collects the timestamps (field 8 of a packet, 0x40) of a file's packets (0x0a). *whole: whether it ends with a whole packet. */
static int timestamps(const char *file, uint64_t *times, int most, bool *whole)
{
    static unsigned char data[1 << 20];
    FILE *stream = fopen(file, "rb");
    assert_non_null(stream);
    const unsigned char *at = data, *end = data + fread(data, 1, sizeof data, stream);
    int count = 0;
    fclose(stream);
    while (at < end && *at == 0x0a) {
        at++;
        uint64_t length = varint(&at);
        const unsigned char *packet = at;
        at += length;
        if (at <= end && *packet == 0x40 && count < most) {
            packet++;
            times[count++] = varint(&packet);
        }
    }
    *whole = at == end;
    return count;
}

static void test_parts_become_one_file(void **state)
{
    const char *directory = *state;
    char file[512], part[600];
    struct trace traces[2] = {{0}};
    struct error why;
    uint64_t times[16];
    bool whole;
    snprintf(file, sizeof file, "%s/trace", directory);
    for (int rank = 0; rank < 2; rank++) {
        open_rank(&traces[rank], file, rank);
        trace_slice(&traces[rank], TRACE_MAIN, &(struct trace_slice){.category = "early", .number = -1, .begin = 1, .end = 2});
        trace_start(&traces[rank], rank ? 1000 : 0);
        trace_slice(&traces[rank], TRACE_MAIN, &(struct trace_slice){.category = "step", .number = 7, .begin = 100, .end = 102.5});
        assert_int_equal(trace_close(&traces[rank], &why), 0);
        trace_slice(&traces[rank], TRACE_MAIN, &(struct trace_slice){.category = "late", .number = -1, .begin = 1, .end = 2});
        trace_free(&traces[rank]);
    }
    trace_part_name(file, 1, part, sizeof part);
    assert_int_equal(timestamps(part, times, 16, &whole), 2);
    assert_true(whole && times[0] == 1100000000000 && times[1] == 1102500000000);
    /* Rank 0's clock gains 0.001 s a second on rank 1's. */
    const struct trace_drift drifts[] = {{0, 0}, {.since = 1090, .drift = 1e-3}};
    assert_int_equal(trace_merge(file, 2, drifts, &why), 0);
    assert_int_equal(timestamps(file, times, 16, &whole), 4);
    assert_true(whole && times[0] == 100000000000 && times[1] == 102500000000);
    assert_true(times[2] == 1100010000000 && times[3] == 1102512500000);
    assert_int_equal(access(part, F_OK), -1);
}

static void test_half_a_packet_is_left_out(void **state)
{
    const char *directory = *state;
    char file[512], part[600];
    struct trace trace = {0};
    struct error why;
    uint64_t times[16];
    bool whole;
    snprintf(file, sizeof file, "%s/half", directory);
    open_rank(&trace, file, 0);
    trace_start(&trace, 0);
    trace_slice(&trace, TRACE_LOADER, &(struct trace_slice){.category = "batch", .number = 1, .begin = 5, .end = 6});
    trace_free(&trace);
    trace_part_name(file, 0, part, sizeof part);
    FILE *stream = fopen(part, "r+b");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, 0, SEEK_END), 0);
    assert_int_equal(ftruncate(fileno(stream), ftell(stream) - 3), 0);
    fclose(stream);
    timestamps(part, times, 16, &whole);
    assert_false(whole);
    assert_int_equal(trace_merge(file, 1, &(struct trace_drift){0}, &why), 0);
    assert_int_equal(timestamps(file, times, 16, &whole), 1);
    assert_true(whole && times[0] == 5000000000);
    assert_int_equal(trace_merge(file, 1, &(struct trace_drift){0}, &why), -1); /* the part is gone; the file stays */
    assert_non_null(strstr(why.text, "half.rank0: cannot be read: No such file"));
    assert_int_equal(timestamps(file, times, 16, &whole), 1);
}

static void test_a_full_disk_ends_recording(void **state)
{
    const char *directory = *state;
    char file[512];
    struct trace trace = {0};
    struct error why;
    struct rlimit before, small;
    snprintf(file, sizeof file, "%s/full", directory);
    open_rank(&trace, file, 0);
    trace_start(&trace, 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 100000; i++)
        trace_slice(&trace, TRACE_MAIN, &(struct trace_slice){.category = "step", .number = i, .begin = i, .end = i + 1});
    assert_false(trace_is_on(&trace));
    trace_flush(&trace);
    assert_int_equal(trace_close(&trace, &why), -1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_non_null(strstr(why.text, "full.rank0: cannot be written: File too large"));
    trace_free(&trace);
}

static void test_a_closed_trace(void **state)
{
    (void)state;
    struct trace closed = {0};
    struct error why;
    trace_slice(&closed, TRACE_MAIN, &(struct trace_slice){.category = "step"});
    trace_slice(NULL, TRACE_MAIN, &(struct trace_slice){.category = "step"});
    trace_flush(&closed);
    assert_false(trace_is_on(&closed) || trace_is_on(NULL));
    assert_int_equal(trace_close(&closed, &why), 0);
    trace_free(&closed);
}

static int make_folder(void **state)
{
    static char name[] = "/tmp/test_trace.XXXXXX";
    *state = mkdtemp(name);
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const left[] = {"trace", "half", "full.rank0"};
    char file[512];
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        snprintf(file, sizeof file, "%s/%s", (const char *)*state, left[i]);
        unlink(file);
    }
    return rmdir(*state);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_become_one_file),
        cmocka_unit_test(test_half_a_packet_is_left_out),
        cmocka_unit_test(test_a_full_disk_ends_recording),
        cmocka_unit_test(test_a_closed_trace),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
