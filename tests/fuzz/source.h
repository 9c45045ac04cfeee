/* A source of samples to its end, as `pack` reads it. */
#ifndef TESTS_FUZZ_SOURCE_H
#define TESTS_FUZZ_SOURCE_H

#include "fuzz.h"

#include "../../src/data/pack.h"

/* Every sample is one that the packed file has a place for. */
static inline void sample_check(const struct survey *survey, const struct source *source, const struct sample *sample)
{
    must(sample->split == TRAIN || sample->split == TEST);
    must(sample->label >= 0 && sample->label < survey->class_count);
    must(sample->row >= 0 && sample->row < survey->images[sample->split]);
    volatile uint8_t last = sample->pixels[(size_t)source->side * (size_t)source->side * IMAGE_CHANNELS - 1];
    (void)last;
}

static inline void source_read(const char *from)
{
    static struct survey survey;
    static struct source source;
    struct sample sample;
    struct error why = {""};
    bool found = true;
    int status = survey_take(&survey, from, &why);
    if (!status) {
        status = source_open(&source, &survey, from, 32, RESIZE_CROP, &why);
        while (!status && !(status = source_next(&source, &sample, &found, &why)) && found)
            sample_check(&survey, &source, &sample);
        source_close(&source);
    }
    must(!status || why.text[0]);
    must(!strpbrk(why.text, "\n\r\033"));
    survey_free(&survey);
}

#endif
