/* One run at a time in a directory: who has it is told, and what nobody holds is taken over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store.h"

static char directory[4096], file[4200], host[256];

#define assert_fine(call)                        \
    do {                                         \
        if (call)                                \
            fail_msg("%s: %s", #call, why.text); \
    } while (0)

static void assert_refused(struct lock *lock, const char *words)
{
    struct error why = {"(nothing)"};
    assert_int_equal(lock_take(lock, directory, &why), -1);
    assert_false(lock->held);
    if (!strstr(why.text, words) || !strstr(why.text, directory))
        fail_msg("'%s' is not in the sentence '%s'", words, why.text);
}

/* ---- a file system that has no locks, and one whose lock is taken late ---- */

static int fail_with;      /* errno of all calls, 0: they go to the system */
static int removed_before; /* so often another run removes its file between open and flock */

int flock(int descriptor, int operation)
{
    if (removed_before && removed_before--)
        unlink(file);
    errno = fail_with;
    return fail_with ? -1 : (int)syscall(SYS_flock, descriptor, operation);
}

static void write_file(const char *format, long process, const char *on)
{
    FILE *open = fopen(file, "w");
    assert_non_null(open);
    fprintf(open, format, process, on);
    assert_int_equal(fclose(open), 0);
}

/* ---- tests ---- */

static void test_held(void **state)
{
    (void)state;
    struct error why;
    struct lock first, second, none = {.held = false};
    char words[400], text[400] = "";
    assert_fine(lock_take(&first, directory, &why));
    snprintf(words, sizeof words, "process %d on %s", getpid(), host);
    FILE *open = fopen(file, "r");
    assert_non_null(fgets(text, sizeof text, open));
    fclose(open);
    assert_int_equal(strncmp(text, words, strlen(words)), 0);
    assert_refused(&second, words);
    lock_free(&second);
    assert_refused(&second, words);
    assert_int_equal(truncate(file, 0), 0);
    assert_refused(&second, "another run, which has only begun");
    lock_free(&first);
    assert_int_equal(access(file, F_OK), -1);
    assert_fine(lock_take(&second, directory, &why));
    lock_free(&second);
    lock_free(&none);
}

/* A child that has the lock, until it is killed. */
static pid_t start_holder(void)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (!child) {
        struct error why;
        struct lock lock;
        if (!lock_take(&lock, directory, &why) && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static void test_killed(void **state)
{
    (void)state;
    struct error why;
    struct lock lock;
    char words[400];
    int status;
    pid_t child = start_holder();
    snprintf(words, sizeof words, "is in use by process %d on %s", child, host);
    assert_refused(&lock, words);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(access(file, F_OK), 0); /* it stays, and is of no account */
    assert_fine(lock_take(&lock, directory, &why));
    lock_free(&lock);
}

static void test_without_locks(void **state)
{
    (void)state;
    struct error why;
    struct lock lock;
    char words[4400];
    pid_t gone = fork();
    if (!gone)
        _exit(0);
    assert_int_equal(waitpid(gone, NULL, 0), gone);
    fail_with = ENOLCK;
    write_file("process %ld on %s\n", getppid(), host);
    assert_refused(&lock, "is in use by process");
    write_file("process %ld on %s\n", gone, "elsewhere");
    snprintf(words, sizeof words, "process %d on elsewhere: let it end, or take another directory; if that process is no more, "
             "remove %s", gone, file);
    assert_refused(&lock, words);
    write_file("process %ld on %s\n", gone, host);
    assert_fine(lock_take(&lock, directory, &why));
    lock_free(&lock);
    write_file("%ld %s, which says nothing\n", -3, "a text");
    assert_fine(lock_take(&lock, directory, &why));
    lock_free(&lock);
    assert_int_equal(access(file, F_OK), -1);
    fail_with = 0;
}

/* The run before removes its file when this one has just opened it: a lock on that would keep nobody out. */
static void test_removed_meanwhile(void **state)
{
    (void)state;
    struct error why;
    struct lock first, second;
    removed_before = 3;
    assert_fine(lock_take(&first, directory, &why));
    assert_int_equal(removed_before, 0);
    assert_refused(&second, "is in use by process");
    lock_free(&first);
}

/* The directory was moved away, and another run is in the one that has its name now: its file stays. */
static void test_another_directory(void **state)
{
    (void)state;
    struct error why;
    struct lock first, second;
    char away[4200], command[8500];
    snprintf(away, sizeof away, "%s.away", directory);
    assert_fine(lock_take(&first, directory, &why));
    assert_int_equal(rename(directory, away), 0);
    assert_int_equal(mkdir(directory, 0777), 0);
    assert_fine(lock_take(&second, directory, &why));
    lock_free(&first);
    assert_refused(&first, "is in use by process");
    lock_free(&second);
    snprintf(command, sizeof command, "rm -rf '%s'", away);
    assert_int_equal(system(command), 0);
}

static void test_no_directory(void **state)
{
    (void)state;
    struct error why;
    struct lock lock;
    assert_int_equal(lock_take(&lock, "/no/such/directory", &why), -1);
    assert_non_null(strstr(why.text, "/no/such/directory: no file can be made there: No such file"));
    lock_free(&lock);
}

static int make_directory(void **state)
{
    (void)state;
    const char *where = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/test_lock.XXXXXX", where ? where : "/tmp");
    if (!mkdtemp(directory) || gethostname(host, sizeof host - 1))
        return -1;
    snprintf(file, sizeof file, "%s/lock", directory);
    return 0;
}

/* Nothing was left in it. */
static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held),          cmocka_unit_test(test_killed),
        cmocka_unit_test(test_without_locks), cmocka_unit_test(test_removed_meanwhile),
        cmocka_unit_test(test_another_directory), cmocka_unit_test(test_no_directory),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
