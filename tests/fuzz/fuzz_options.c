/* The command line: each line of the input is one argument. */
#include "fuzz.h"

#include "options.h"

enum { WORDS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size), *next = text, *words[WORDS_MAX + 2] = {"cifar10_mpi"};
    int count = 1;
    struct options options;
    must(text);
    for (char *word; count <= WORDS_MAX && (word = strsep(&next, "\n"));)
        words[count++] = word;
    if (options_parse(&options, count, words) == OPTIONS_RUN) {
        char value[OPTION_TEXT];
        const char *name;
        bool is_default;
        must(options.file_count >= 0 && options.file_count < count);
        for (int i = 0; options_text(&options, i, &name, value, sizeof value, &is_default); i++)
            must(memchr(value, '\0', sizeof value) && name[0]);
        for (int i = 0; i < options.file_count; i++)
            must(options.files[i]);
    }
    free(text);
    return 0;
}
