#include <stdio.h>
#include <string.h>

#include "parts.h"

enum { CIFAR_TRAINING_FILES = 5 };
enum { TABLE_MAX = 20 }; /* classes; with more, only the smallest and the largest are named */
enum { TABLE_NAME = 56, RANGE_NAME = 24 }; /* bytes: lines stay within 80 columns */

/* ---- on standard error ---- */

void left_out_add(struct left_out *left_out, const char *name, const char *reason)
{
    if (left_out->count < NAMED_MAX)
        snprintf(left_out->first[left_out->count], NAMED_TEXT, "%.200s%s%.*s", name, reason[0] ? ": " : "",
                 NAMED_TEXT - 204, reason);
    left_out->count++;
}

static void print_left_out(const struct left_out *left_out, const char *heading)
{
    if (!left_out->count)
        return;
    fprintf(stderr, "%s: %lld\n", heading, (long long)left_out->count);
    for (int i = 0; i < NAMED_MAX && i < left_out->count; i++)
        line_print(stderr, "  %s", left_out->first[i]);
    if (left_out->count > NAMED_MAX)
        fprintf(stderr, "  and %lld more\n", (long long)left_out->count - NAMED_MAX);
}

static void print_splits(const struct survey *survey)
{
    for (int word = 0; word < SPLIT_WORDS; word++) {
        int split = split_words[word].split, taken = survey->words[split];
        if (word != taken && taken != NO_WORD && survey->word_images[word])
            fprintf(stderr, "Left out %s/ (%lld %s): %s/ is the %s split\n", split_words[word].name,
                    (long long)survey->word_images[word], survey->word_images[word] == 1 ? "image" : "images",
                    split_words[taken].name, split_names[split]);
        else if (word == taken && strcmp(split_words[word].name, split_names[split]))
            fprintf(stderr, "%s/ serves as the %s split\n", split_words[word].name, split_names[split]);
    }
}

static void print_resized(const struct source *source)
{
    const char *how = source->request->resize == RESIZE_CROP ? "cropped to the centre" : "squashed";
    const char *were = source->reshaped == 1 ? "was" : "were";
    if (!source->resized)
        return;
    fprintf(stderr, "Resized to %dx%d: %lld %s", source->side, source->side, (long long)source->resized,
            source->resized == 1 ? "image" : "images");
    if (source->reshaped)
        fprintf(stderr, "; %lld %s not square and %s %s", (long long)source->reshaped, were, were, how);
    fprintf(stderr, "\n");
}

static void print_missing(const struct survey *survey)
{
    char name[NAME_TEXT];
    for (int i = 1; i <= CIFAR_TRAINING_FILES; i++) {
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        if (!survey_find(survey, name))
            fprintf(stderr, "CIFAR-10's %s is missing\n", name);
    }
}

void report_notes(const struct survey *survey, const struct source *source, const struct seen *seen, int64_t tests)
{
    int64_t both = seen_in_both(seen);
    if (survey->folders && survey->layout == LAYOUT_SPLITS)
        print_splits(survey);
    if (!survey->folders)
        print_missing(survey);
    print_left_out(&source->strays, survey->folders && survey->layout == LAYOUT_SPLITS ?
                   "Left out, not JPEG or PNG images in a class folder of a split" :
                   "Left out, not JPEG or PNG images in a class folder");
    print_left_out(&source->bad, "Left out by --skip-bad");
    print_resized(source);
    if (survey->classes.count == 1)
        fprintf(stderr, "There is only one class: nothing to classify\n");
    if (!tests)
        fprintf(stderr, "There are no test images%s\n", survey->folders ? "; --test-share 0.1 takes a tenth of these" : "");
    if (both)
        fprintf(stderr, "%lld of %lld test images are also training images (same pixels)\n", (long long)both, (long long)tests);
    if (seen->used == seen->most)
        fprintf(stderr, "Identical images were searched for only among the first %zu distinct ones\n", seen->most);
}

/* ---- on standard output ---- */

static bool all_equal(const struct survey *survey, int64_t counts[CLASSES_MAX][SPLITS])
{
    for (int i = 1; i < survey->classes.count; i++)
        if (memcmp(counts[i], counts[0], sizeof counts[0]))
            return false;
    return true;
}

static void print_table(const struct survey *survey, int64_t counts[CLASSES_MAX][SPLITS])
{
    printf("%5s %8s %8s  class\n", "label", split_adjectives[TRAIN], split_adjectives[TEST]);
    for (int i = 0; i < survey->classes.count; i++) {
        const char *name = survey->classes.names[i];
        line_print(stdout, "%5d %8lld %8lld  %.*s", i, (long long)counts[i][TRAIN], (long long)counts[i][TEST],
                   text_fit(name, TABLE_NAME), name);
    }
}

static void print_range(const struct survey *survey, int64_t counts[CLASSES_MAX][SPLITS], int split)
{
    int least = 0, most = 0;
    for (int i = 1; i < survey->classes.count; i++) {
        least = counts[i][split] < counts[least][split] ? i : least;
        most = counts[i][split] > counts[most][split] ? i : most;
    }
    const char *small = survey->classes.names[least], *large = survey->classes.names[most];
    line_print(stdout, "%-8s images a class: %lld (%.*s) to %lld (%.*s)", split_adjectives[split],
               (long long)counts[least][split], text_fit(small, RANGE_NAME), small, (long long)counts[most][split],
               text_fit(large, RANGE_NAME), large);
}

void report_classes(const struct survey *survey, int64_t counts[CLASSES_MAX][SPLITS], const char *classes_file)
{
    if (all_equal(survey, counts))
        printf("Images of each class: %lld training, %lld test\n", (long long)counts[0][TRAIN], (long long)counts[0][TEST]);
    else if (survey->classes.count <= TABLE_MAX)
        print_table(survey, counts);
    else
        for (int split = 0; split < SPLITS; split++)
            print_range(survey, counts, split);
    if (survey->folders && classes_file)
        line_print(stdout, "Labels follow the order of %s", classes_file);
    else if (survey->folders)
        printf("Labels follow the folders' sorted names; --classes FILE gives another order\n");
}
