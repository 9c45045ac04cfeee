/* Reads all samples of a source, as `pack` does. */
#ifndef TESTS_FUZZ_SOURCE_H
#define TESTS_FUZZ_SOURCE_H

#include "fuzz.h"

#include "../../src/pack/parts.h"
#include "data.h"

/* Checks that the packed file has a place for the sample. */
static inline void sample_check(const struct survey *survey, const struct source *source, const struct sample *sample)
{
    must(sample->split == TRAIN || sample->split == TEST);
    must(sample->label >= 0 && sample->label < survey->classes.count);
    must(sample->row >= 0 && sample->row < survey->images[TRAIN] + survey->images[TEST]);
    volatile uint8_t last = sample->pixels[(size_t)source->side * (size_t)source->side * IMAGE_CHANNELS - 1];
    (void)last;
}

/* Reads the source as far as possible; -1 if it is refused. */
static inline int source_try(const char *from, const struct pack_request *request)
{
    static struct survey survey;
    static struct source source;
    struct sample sample;
    struct error why = {""};
    bool found = true;
    int status = survey_take(&survey, from, request, &why);
    if (!status) {
        status = source_open(&source, &survey, from, request, &why);
        while (!status && !(status = source_next(&source, &sample, &found, &why)) && found)
            sample_check(&survey, &source, &sample);
        source_close(&source);
    }
    must(!status || why.text[0]);
    must(!strpbrk(why.text, "\n\r\033"));
    survey_free(&survey);
    return status;
}

/* If the source is refused, tries again with --test-share, which class folders without train and test folders need. */
static inline void source_read(const char *from)
{
    static const struct pack_request plain = {
        .image_size = 32, .resize = RESIZE_CROP, .allow_missing_classes = true, .skip_bad = true};
    static const struct pack_request shared = {.image_size = 32, .allow_missing_classes = true, .test_share = 0.5};
    if (source_try(from, &plain))
        source_try(from, &shared);
}

#endif
