/* One run at a time in a directory: a refusal names the holder, and a lock whose holder has ended is taken over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

/* ---- fake system calls: a file system without locks, and other processes that interfere ---- */

static int watched; /* seconds for which a file was watched, in the program's view; no time really passes */
static void (*each_second)(void);

/* Without descriptors, poll only waits: this one returns at once. A thread that waits for its end wakes up 100 times a second. */
int poll(struct pollfd *of, nfds_t count, int milliseconds)
{
    (void)milliseconds;
    if (of)
        return ppoll(of, count, &(struct timespec){.tv_nsec = 10000000}, NULL);
    watched++;
    if (each_second)
        each_second();
    return 0;
}

static int fail_with;      /* the errno with which every flock fails; 0: calls the system's */
static int looks;          /* the number of calls that find the lock held by a process that only checks it */
static int removed_before; /* the number of times that another run removes its file between open and flock */

int flock(int descriptor, int operation)
{
    if (removed_before && removed_before--)
        unlink(file);
    if (looks && looks--) {
        errno = EWOULDBLOCK;
        return -1;
    }
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

/* Starts a child that holds the lock until it is killed. */
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
    assert_int_equal(access(file, F_OK), 0); /* it stays, and is ignored */
    assert_fine(lock_take(&lock, directory, &why));
    lock_free(&lock);
}

/* lock_is_held does not take the lock, and does not wait. */
static void test_looked_at(void **state)
{
    (void)state;
    struct error why;
    struct lock lock;
    watched = 0;
    assert_false(lock_is_held(directory));
    assert_false(lock_is_held("/no/such/directory"));
    pid_t child = start_holder();
    assert_true(lock_is_held(directory));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(access(file, F_OK), 0);
    assert_false(lock_is_held(directory));
    assert_fine(lock_take(&lock, directory, &why));
    assert_true(lock_is_held(directory));
    assert_fine(lock_check(&lock, directory, &why)); /* unchanged */
    lock_free(&lock);
    assert_false(lock_is_held(directory));
    for (int locks = 1; locks >= 0; locks--) { /* whether the file system has locks; only without them does the text count */
        fail_with = locks ? 0 : ENOLCK;
        write_file("process %ld on %s\n", 7, "elsewhere");
        assert_int_equal(lock_is_held(directory), !locks); /* this host cannot tell */
        write_file("process %ld on %s\n", getppid(), host); /* another process may have that number by now */
        assert_int_equal(lock_is_held(directory), !locks);
        write_file("process %ld on %s\n", child, host);
        assert_false(lock_is_held(directory));
        write_file("%ld %s, which says nothing\n", -3, "a text");
        assert_false(lock_is_held(directory));
    }
    fail_with = 0;
    assert_int_equal(unlink(file), 0);
    assert_int_equal(symlink("somewhere", file), 0); /* not made by a run: runs never make links */
    assert_false(lock_is_held(directory));
    assert_int_equal(unlink(file), 0);
    assert_int_equal(watched, 0);
}

/* A link at the lock's place does not protect the directory either. */
static void test_while_another_looks(void **state)
{
    (void)state;
    struct error why;
    struct lock lock;
    looks = 2;
    assert_fine(lock_take(&lock, directory, &why));
    assert_int_equal(looks, 0);
    lock_free(&lock);
}

static void touch_in_the_third(void)
{
    if (watched == 3)
        assert_int_equal(utimensat(AT_FDCWD, file, NULL, 0), 0);
}

static void end_in_the_third(void)
{
    if (watched == 3)
        assert_int_equal(unlink(file), 0);
}

static void assert_taken_after(int seconds, long process, const char *on)
{
    struct error why;
    struct lock lock;
    write_file("process %ld on %s\n", process, on);
    watched = 0;
    assert_fine(lock_take(&lock, directory, &why));
    assert_int_equal(watched, seconds);
    lock_free(&lock);
    assert_int_equal(access(file, F_OK), -1);
}

static void test_without_locks(void **state)
{
    (void)state;
    struct error why;
    struct lock lock;
    pid_t gone = fork();
    if (!gone)
        _exit(0);
    assert_int_equal(waitpid(gone, NULL, 0), gone);
    fail_with = ENOLCK;
    assert_taken_after(0, gone, host);
    write_file("%ld %s, which says nothing\n", -3, "a text");
    assert_fine(lock_take(&lock, directory, &why));
    lock_free(&lock);
    assert_taken_after(30, gone, "elsewhere");
    assert_taken_after(30, getppid(), host); /* another process may have that number by now */
    each_second = end_in_the_third;
    assert_taken_after(3, gone, "elsewhere");
    each_second = touch_in_the_third;
    watched = 0;
    write_file("process %ld on %s\n", 7, "elsewhere");
    assert_refused(&lock, "is in use by process 7 on elsewhere: let it end, or take another directory");
    assert_int_equal(watched, 3);
    each_second = NULL;
    assert_int_equal(unlink(file), 0);
    fail_with = 0;
}

/* Without locks, the holder keeps the file by touching it. */
static void test_touched(void **state)
{
    (void)state;
    struct error why;
    struct lock lock;
    struct stat before, now;
    fail_with = ENOLCK;
    assert_fine(lock_take(&lock, directory, &why));
    assert_int_equal(stat(file, &before), 0);
    for (int i = 0; i < 200; i++) {
        usleep(10000);
        assert_int_equal(stat(file, &now), 0);
        if (now.st_mtim.tv_sec != before.st_mtim.tv_sec || now.st_mtim.tv_nsec != before.st_mtim.tv_nsec)
            i = 200;
    }
    assert_true(now.st_mtim.tv_sec != before.st_mtim.tv_sec || now.st_mtim.tv_nsec != before.st_mtim.tv_nsec);
    write_file("process %ld on %s\n", 7, "elsewhere"); /* another run took the lock over, perhaps while this one was stopped */
    assert_int_equal(lock_check(&lock, directory, &why), -1);
    lock_free(&lock);
    assert_int_equal(unlink(file), 0); /* it was not removed */
    fail_with = 0;
}

/* ---- a lock file that was removed or replaced, or that is not a regular file ---- */

static void test_checked(void **state)
{
    (void)state;
    struct error why;
    struct lock lock;
    char away[4200];
    snprintf(away, sizeof away, "%s.away", directory);
    assert_fine(lock_take(&lock, directory, &why));
    assert_fine(lock_check(&lock, directory, &why));
    assert_int_equal(rename(directory, away), 0);
    assert_fine(lock_check(&lock, directory, &why)); /* it may come back */
    assert_int_equal(rename(away, directory), 0);
    assert_int_equal(truncate(file, 0), 0);
    assert_fine(lock_check(&lock, directory, &why));
    assert_int_equal(unlink(file), 0);
    assert_int_equal(lock_check(&lock, directory, &why), -1);
    assert_non_null(strstr(why.text, "lock: was removed while this run had it"));
    write_file("process %ld on %s\n", 7, "\033[31melsewhere");
    assert_int_equal(lock_check(&lock, directory, &why), -1);
    assert_non_null(strstr(why.text, "lock: was this run's, and is that of process 7 on ?[31melsewhere now"));
    lock_free(&lock);
    assert_int_equal(unlink(file), 0);
}

/* Nothing is written through a link, and no pipe is waited for. */
static void test_planted(void **state)
{
    (void)state;
    struct lock lock;
    char victim[4200];
    struct stat found;
    snprintf(victim, sizeof victim, "%s/victim", directory);
    assert_int_equal(symlink(victim, file), 0);
    assert_refused(&lock, "lock: is a symbolic link, which is not followed");
    assert_int_equal(access(victim, F_OK), -1);
    assert_int_equal(unlink(file), 0);
    write_file("%ld %s", 1, "precious");
    assert_int_equal(link(file, victim), 0);
    assert_refused(&lock, "lock: has a second name (a hard link)");
    assert_int_equal(stat(victim, &found), 0);
    assert_int_equal(found.st_size, strlen("1 precious"));
    assert_int_equal(unlink(victim), 0);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(mkfifo(file, 0666), 0);
    assert_refused(&lock, "lock: is no regular file");
    assert_int_equal(unlink(file), 0);
}

/* A user who cannot open the file cannot lock it. */
static void test_private(void **state)
{
    (void)state;
    struct error why;
    struct lock lock;
    struct stat found;
    static const mode_t masks[][2] = {{022, 0600}, {002, 0660}, {000, 0666}};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        mode_t before = umask(masks[i][0]);
        write_file("%ld %s", 1, "left by another version");
        assert_int_equal(chmod(file, 0644), 0);
        assert_fine(lock_take(&lock, directory, &why));
        assert_int_equal(stat(file, &found), 0);
        assert_int_equal(found.st_mode & 0777, masks[i][1]);
        lock_free(&lock);
        umask(before);
    }
}

/* The previous run removes its file just after this one has opened it. A lock on the removed file would not stop another run. */
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

/* The directory was moved away, and another run uses a new one of the same name: that run's file stays. */
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
    assert_non_null(strstr(why.text, "/no/such/directory/lock: cannot be written: No such file"));
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

/* Checks that the directory is empty. */
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
        cmocka_unit_test(test_touched),       cmocka_unit_test(test_checked),
        cmocka_unit_test(test_planted),       cmocka_unit_test(test_private),
        cmocka_unit_test(test_looked_at),     cmocka_unit_test(test_while_another_looks),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
