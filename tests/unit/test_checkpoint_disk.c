/* Checkpoints on a full disk, and a process that is killed while it saves one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint_fixture.h"
#include "clock.h"
#include "file.h"
#include "hdf5_ids.h"

/* ---- a full disk: the tutorial's 8.5 MB do not fit ---- */

static int files_in(const char *directory)
{
    char command[4400];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", directory);
    FILE *pipe = popen(command, "r");
    int count = -1;
    assert_int_equal(fscanf(pipe, "%d", &count), 1);
    pclose(pipe);
    return count;
}

/* A small checkpoint, then one of the tutorial's model, then the small one again. */
static void save_too_much(struct fixture *f, const char *reason)
{
    struct error why;
    struct fixture large = {0};
    char file[4200];
    strcpy(file, save(f, 1));
    const struct model *tutorial = model_find("tutorial", &why);
    assert_non_null(tutorial);
    state_init(&large, tutorial);
    assert_refused(checkpoint_save(&large.saved, &large.net, f->directory, NULL, 0, &why), reason);
    assert_int_equal(files_in(f->directory), 1);
    load_and_compare(f, file);
    load_and_compare(f, save(f, 2));
    state_free(&large);
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    if (mount("none", f->directory, "tmpfs", 0, "size=2m")) {
        print_message("mount: %m\n");
        skip();
    }
    save_too_much(f, "No space left on device");
    assert_int_equal(umount(f->directory), 0);
}

static void test_file_size_limit(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit, old;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = (struct rlimit){1 << 20, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    save_too_much(f, "File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
}

/* ---- what cannot be removed ---- */

/* A file that is a mount point cannot be removed, not even by root. */
static void test_stuck_files(void **state)
{
    struct fixture *f = *state;
    struct error why;
    char stuck[4200], leftover[4200];
    snprintf(leftover, sizeof leftover, "%s/.checkpoint-00000009.h5.tmp", f->directory);
    strcpy(stuck, save(f, 1));
    assert_fine(file_write(leftover, "torn", 4, &why));
    if (mount(stuck, stuck, NULL, MS_BIND, NULL)) {
        print_message("mount: %m\n");
        skip();
    }
    assert_int_equal(mount(leftover, leftover, NULL, MS_BIND, NULL), 0);
    load_and_compare(f, save(f, 2)); /* saving succeeds anyway */
    assert_refused(checkpoint_prune(f->directory, 2, 1, &why), stuck);
    assert_int_equal(umount(stuck), 0);
    assert_int_equal(umount(leftover), 0);
    load_and_compare(f, save(f, 3));
    assert_fine(checkpoint_prune(f->directory, 3, 1, &why));
    assert_int_equal(files_in(f->directory), 1);
}

/* ---- a checkpoint that its run removes just after it was listed ---- */

static struct fixture *saves; /* saves a newer checkpoint after a directory was read */

struct dirent *readdir(DIR *directory)
{
    struct dirent *(*real)(DIR *) = (struct dirent *(*)(DIR *))dlsym(RTLD_NEXT, "readdir");
    struct dirent *entry = real(directory);
    struct fixture *f = saves;
    if (f && entry && strstr(entry->d_name, "checkpoint-")) {
        char file[4200];
        saves = NULL;
        checkpoint_name(f->directory, f->saved.step, file, sizeof file);
        save(f, f->saved.step + 1);
        assert_int_equal(unlink(file), 0);
    }
    return entry;
}

static void test_listed_and_gone(void **state)
{
    struct fixture *f = *state;
    struct error why, passed;
    char file[4200], newest[4200];
    save(f, 1);
    checkpoint_name(f->directory, 2, newest, sizeof newest);
    saves = f;
    assert_fine(checkpoint_newest(f->directory, file, sizeof file, &passed, &why));
    assert_string_equal(file, newest);
    assert_string_equal(passed.text, "");
}

/* ---- killed while saving ---- */

static void save_on_and_on(struct fixture *f, uint64_t step)
{
    end_at_failure();
    for (;; step++)
        save(f, step);
}

static void test_killed(void **state)
{
    struct fixture *f = *state;
    struct error why;
    uint64_t *steps, newest = 1;
    int count, status;
    double start = clock_seconds();
    save(f, newest);
    double once = clock_seconds() - start;
    for (int i = 0; i < 20; i++) { /* at 20 moments of the first three saves */
        pid_t child = fork();
        if (!child)
            save_on_and_on(f, newest + 1);
        usleep((useconds_t)(1e6 * once * (0.15 * i + 0.05)));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* it did not end because a save failed */
        assert_fine(checkpoint_list(f->directory, &steps, &count, &why));
        for (int k = 0; k < count; k++) {
            char file[4200];
            checkpoint_name(f->directory, steps[k], file, sizeof file);
            f->saved.step = steps[k];
            load_and_compare(f, file);
        }
        newest = steps[0];
        free(steps);
    }
    save(f, newest + 1);
    assert_true(newest > 1);
    assert_int_equal(files_in(f->directory), newest + 1);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_size_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stuck_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_listed_and_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
        cmocka_unit_test(test_all_is_closed),
    };
    return cmocka_run_group_tests(tests, ids_remember, NULL);
}
