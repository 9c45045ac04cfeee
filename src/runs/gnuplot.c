/* Starts gnuplot, without a shell. Its input and output are files in memory, so that neither side can block the other. */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chart.h"
#include "writing.h"

extern char **environ;

enum { STREAMS = 3 }; /* standard input, output, error */

/* Returns gnuplot's exit status, or -1 with errno. */
static int gnuplot_start(const int streams[STREAMS])
{
    char *const words[] = {"gnuplot", "--default-settings", NULL}; /* without the user's start-up files */
    posix_spawn_file_actions_t actions;
    pid_t process;
    int status, code = posix_spawn_file_actions_init(&actions);
    if (code) {
        errno = code;
        return -1;
    }
    for (int i = 0; i < STREAMS && !code; i++)
        code = posix_spawn_file_actions_adddup2(&actions, streams[i], i);
    if (!code)
        code = posix_spawnp(&process, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    errno = code;
    if (code)
        return -1;
    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* The content of a file in memory as a new text. */
static char *memory_text(int descriptor, struct error *why)
{
    struct stat about;
    size_t size = fstat(descriptor, &about) ? 0 : (size_t)about.st_size;
    char *text = memory_new(size + 1, 1, "gnuplot's output", why);
    ssize_t length = text ? pread(descriptor, text, size, 0) : 0;
    if (text && length >= 0)
        text[length] = 0;
    return text;
}

/* Makes a sentence of what gnuplot wrote to standard error; returns -1. */
static int gnuplot_failed(int messages, struct error *why)
{
    struct error ignored;
    char *said = memory_text(messages, &ignored);
    const char *line = said ? said + strspn(said, "\n \t^") : "";
    error_set(why, "gnuplot failed: %.*s", (int)strcspn(line, "\n"), line);
    free(said);
    return -1;
}

static int gnuplot_feed(const int streams[STREAMS], const char *script, char **output, struct error *why)
{
    if (writing_all(streams[0], script, strlen(script)) || lseek(streams[0], 0, SEEK_SET) < 0)
        return error_set(why, "gnuplot's script cannot be written: %s", strerror(errno));
    int status = gnuplot_start(streams);
    if ((status < 0 && errno == ENOENT) || status == 127)
        return error_set(why, "the curves need the program gnuplot, which is not installed (Debian: gnuplot-nox)");
    if (status < 0)
        return error_set(why, "gnuplot cannot be started: %s", strerror(errno));
    if (status)
        return gnuplot_failed(streams[2], why);
    *output = memory_text(streams[1], why);
    return *output ? 0 : -1;
}

int gnuplot_run(const char *script, char **output, struct error *why)
{
    int streams[STREAMS], status = 0;
    *output = NULL;
    for (int i = 0; i < STREAMS; i++)
        if ((streams[i] = memfd_create("gnuplot", MFD_CLOEXEC)) < 0)
            status = error_set(why, "gnuplot cannot be started: %s", strerror(errno));
    if (!status)
        status = gnuplot_feed(streams, script, output, why);
    for (int i = 0; i < STREAMS; i++)
        if (streams[i] >= 0)
            close(streams[i]);
    return status;
}
