#include "answer.h"

#include <inttypes.h>
#include <stdio.h>

#include "backend.h"

void answer_set(struct answer *answer, float *probabilities, int classes)
{
    answer->count = classes < ANSWER_CLASSES ? classes : ANSWER_CLASSES;
    for (int i = 0; i < answer->count; i++) {
        int best = index_of_largest(probabilities, classes);
        answer->classes[i] = best;
        answer->probabilities[i] = probabilities[best];
        probabilities[best] = -1;
    }
}

void answer_print(const struct answer *answer, const char *file, const struct checkpoint *checkpoint)
{
    char shown[4096];
    snprintf(shown, sizeof shown, "%s", file);
    text_printable(shown);
    printf("%s:", shown);
    for (int i = 0; i < answer->count; i++)
        printf("%s %s %.5f", i ? "," : "", checkpoint->class_names[answer->classes[i]], (double)answer->probabilities[i]);
    printf("\n");
}

/* ---- JSON ---- */

/* The number of bytes of the UTF-8 character at `c` (RFC 3629); 0 if it is none. */
static int character_bytes(const unsigned char *c)
{
    int bytes = c[0] < 0x80 ? 1 : c[0] < 0xc2 || c[0] > 0xf4 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    unsigned char low = c[0] == 0xe0 ? 0xa0 : c[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = c[0] == 0xed ? 0x9f : c[0] == 0xf4 ? 0x8f : 0xbf;
    for (int i = 1; i < bytes; i++, low = 0x80, high = 0xbf)
        if (c[i] < low || c[i] > high)
            return 0;
    return bytes;
}

/* A text in quotes. Bytes that are not UTF-8, which file names may have, become U+FFFD. */
static void print_json_text(const char *text)
{
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        int bytes = character_bytes(c);
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < ' ' || *c == 0x7f)
            printf("\\u%04x", *c);
        else
            printf("%.*s", bytes ? bytes : 3, bytes ? (const char *)c : "\xef\xbf\xbd");
        c += bytes ? bytes : 1;
    }
    putchar('"');
}

void answer_print_json(const struct answer *answer, const char *file, const struct checkpoint *checkpoint, const char *parameters)
{
    printf("{\"file\": ");
    print_json_text(file);
    if (answer->failed) {
        printf(", \"error\": ");
        print_json_text(answer->why.text);
        printf("}\n");
        return;
    }
    printf(", \"step\": %" PRIu64 ", \"parameters\": \"%s\", \"classes\": [", checkpoint->step, parameters);
    for (int i = 0; i < answer->count; i++) {
        printf("%s{\"name\": ", i ? ", " : "");
        print_json_text(checkpoint->class_names[answer->classes[i]]);
        printf(", \"probability\": %.5f}", (double)answer->probabilities[i]);
    }
    printf("]}\n");
}
