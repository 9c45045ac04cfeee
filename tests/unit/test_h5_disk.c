/* Files of rows on a disk that fills up, and files that are whole or absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "h5_fixture.h"
#include "hdf5_ids.h"

/* ---- a disk that becomes full while rows are appended ---- */

/* Appends until a write is refused, at most 16 MB. */
static void stream_too_much(const char *file, const char *reason)
{
    struct error why;
    uint8_t *images = calloc(250, 3072);
    struct h5 *h5 = h5_create(file, &why);
    assert_non_null(h5);
    assert_fine(h5_make(h5, "/train/images", &(struct h5_shape){H5_UINT8, 2, {0, 3072}}, NULL, 250, &why));
    int status = 0;
    for (int i = 0; i < 20 && !status; i++)
        status = h5_put(h5, "/train/images", 250 * i, 250, images, &why);
    assert_int_equal(status, -1);
    if (!strstr(why.text, reason) || !strstr(why.text, file))
        fail_msg("'%s' is not in the sentence '%s'", reason, why.text);
    assert_refused(h5_close(h5, &why), "a write failed");
    assert_int_equal(unlink(file), 0);
    free(images);
}

/* After a failure the disk space is free again; the process can use it, and ends normally. */
static int stream_and_go_on(const char *reason)
{
    struct error why;
    for (int i = 0; i < 3; i++) {
        stream_too_much(path("large.h5"), reason);
        assert_fine(write_rows(path("small.h5"), &why));
        assert_fine(read_rows(path("small.h5"), &why));
    }
    return 0;
}

static void in_child(int (*work)(const char *reason), const char *reason)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        end_at_failure();
        exit(work(reason));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_full_disk(void **state)
{
    (void)state;
    if (mount("none", directory, "tmpfs", 0, "size=2m")) {
        print_message("mount: %m\n");
        skip();
    }
    in_child(stream_and_go_on, "No space left on device");
    assert_int_equal(umount2(directory, MNT_DETACH), 0);
}

/* With any number of pages on the disk, there is either an error or a complete file. */
static void test_every_full_disk(void **state)
{
    (void)state;
    struct error why;
    char options[64];
    int refused = 0;
    for (int pages = 1; pages < 16; pages++) {
        snprintf(options, sizeof options, "size=%dk", 4 * pages);
        if (mount("none", directory, "tmpfs", 0, options)) {
            print_message("mount: %m\n");
            skip();
        }
        if (write_rows(path("rows.h5"), &why))
            refused++;
        else
            assert_fine(read_rows(path("rows.h5"), &why));
        assert_int_equal(umount2(directory, MNT_DETACH), 0);
    }
    assert_true(refused >= 6 && refused < 15);
}

static int stream_with_a_limit(const char *reason)
{
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1500000, RLIM_INFINITY}), 0);
    return stream_and_go_on(reason);
}

static void test_file_size_limit(void **state)
{
    (void)state;
    in_child(stream_with_a_limit, "File too large");
}

/* ---- files that are whole or absent ---- */

static void test_beside(void **state)
{
    (void)state;
    struct error why;
    char temporary[64];
    assert_fine(file_beside("data/cifar10.h5", temporary, sizeof temporary, &why));
    assert_string_equal(temporary, "data/.cifar10.h5.tmp");
    assert_fine(file_beside("a.h5", temporary, sizeof temporary, &why));
    assert_string_equal(temporary, ".a.h5.tmp");
    assert_fine(file_beside("/a.h5", temporary, sizeof temporary, &why));
    assert_string_equal(temporary, "/.a.h5.tmp");
    assert_refused(file_beside("data/", temporary, sizeof temporary, &why), "names no file");
    assert_refused(file_beside("data/cifar10.h5", temporary, 20, &why), "too long");
    char one[64], two[64];
    assert_fine(file_new_beside(path("x"), one, sizeof one, &why));
    assert_fine(file_new_beside(path("x"), two, sizeof two, &why));
    assert_string_not_equal(one, two);
    assert_int_equal(access(one, W_OK) | unlink(one) | unlink(two), 0);
    assert_refused(file_new_beside("/no/such/x", one, sizeof one, &why), "/no/such/x: no file can be made beside it: No such");
    assert_string_equal(one, "");
    assert_fine(file_write(path("new"), "new", 3, &why));
    assert_fine(file_write(path("old"), "old one", 7, &why));
    assert_fine(file_commit(path("new"), path("old"), &why));
    assert_int_equal(access(path("new"), F_OK), -1);
    char text[8] = "";
    FILE *open = fopen(path("old"), "r");
    assert_int_equal(fread(text, 1, sizeof text, open), 3);
    fclose(open);
    assert_refused(file_commit(path("absent"), path("old"), &why), "No such file");
    assert_int_equal(access(path("old"), F_OK), 0);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_every_full_disk),
        cmocka_unit_test(test_file_size_limit),
        cmocka_unit_test(test_beside),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
