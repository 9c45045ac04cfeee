#include "event_pictures.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WHITE = 255, BLACK = 0, GAP = 3, TEXT = 64 };

/* ---- the confusion matrix ---- */

enum {
    NAMED_MAX = 30,        /* more classes: no names, no numbers */
    CELL_CHARACTERS = 5,   /* of a named column: TensorBoard shows pictures 350 pixels wide */
    LABEL_CHARACTERS = 10, /* of a row's name */
    NAMED_HEIGHT = IMAGE_TEXT_HEIGHT + 7,
    PLAIN_SIDE = 512       /* about as many pixels has a side of a matrix without names */
};

struct matrix {
    int classes, left, top, cell_width, cell_height; /* left, top: room for names */
};

static struct matrix matrix_plan(int classes)
{
    int side = PLAIN_SIDE / classes > 1 ? PLAIN_SIDE / classes : 1;
    if (classes > NAMED_MAX)
        return (struct matrix){classes, 0, 0, side, side};
    return (struct matrix){classes, LABEL_CHARACTERS * IMAGE_TEXT_WIDTH + 2 * GAP, NAMED_HEIGHT,
                           CELL_CHARACTERS * IMAGE_TEXT_WIDTH + 2 * GAP, NAMED_HEIGHT};
}

/* Fills a cell: white for a share of 0, dark blue for 1. */
static void cell_fill(struct image *picture, const struct matrix *m, int row, int column, double share)
{
    static const int dark_blue[IMAGE_CHANNELS] = {8, 48, 107};
    uint8_t colour[IMAGE_CHANNELS];
    for (int c = 0; c < IMAGE_CHANNELS; c++)
        colour[c] = (uint8_t)(WHITE + (dark_blue[c] - WHITE) * share);
    for (int y = 0; y < m->cell_height; y++)
        for (int x = 0; x < m->cell_width; x++) {
            size_t at = (size_t)(m->top + row * m->cell_height + y) * (size_t)picture->width;
            memcpy(picture->pixels + (at + (size_t)(m->left + column * m->cell_width + x)) * IMAGE_CHANNELS, colour, sizeof colour);
        }
}

/* Writes the first characters of the text, in the middle of a space of that many characters. */
static void write_centred(struct image *picture, int top, int left, const char *text, int characters, uint8_t grey)
{
    char part[TEXT];
    int length = snprintf(part, sizeof part, "%.*s", text_fit(text, characters), text);
    image_text(picture, top, left + (characters - length) * IMAGE_TEXT_WIDTH / 2, part, grey);
}

static void write_names(struct image *picture, const struct matrix *m, const struct dataset *dataset)
{
    int indent = (NAMED_HEIGHT - IMAGE_TEXT_HEIGHT) / 2;
    char name[TEXT];
    image_text(picture, indent, GAP, "label is:", BLACK);
    for (int class = 0; class < m->classes; class++) {
        const char *text = dataset->class_names[class];
        snprintf(name, sizeof name, "%.*s", text_fit(text, LABEL_CHARACTERS), text);
        image_text(picture, m->top + class * m->cell_height + indent, GAP, name, BLACK);
        write_centred(picture, indent, m->left + class * m->cell_width + GAP, text, CELL_CHARACTERS, BLACK);
    }
}

static void draw_row(struct image *picture, const struct matrix *m, int row, const int64_t *counts)
{
    int indent = (NAMED_HEIGHT - IMAGE_TEXT_HEIGHT) / 2;
    int64_t images = 0;
    char percent[TEXT];
    for (int i = 0; i < m->classes; i++)
        images += counts[i];
    for (int i = 0; images > 0 && i < m->classes; i++) {
        double share = (double)counts[i] / (double)images;
        cell_fill(picture, m, row, i, share);
        if (m->top == 0 || counts[i] == 0)
            continue;
        snprintf(percent, sizeof percent, "%.1f", 100 * share);
        write_centred(picture, m->top + row * m->cell_height + indent, m->left + i * m->cell_width + GAP, percent, CELL_CHARACTERS,
                      share > 0.5 ? WHITE : BLACK);
    }
}

int confusion_draw(struct image *picture, const struct dataset *dataset, const int64_t *confusion, struct error *why)
{
    struct matrix m = matrix_plan(dataset->classes);
    if (image_blank(picture, m.top + m.classes * m.cell_height, m.left + m.classes * m.cell_width, WHITE, why))
        return -1;
    if (m.top > 0)
        write_names(picture, &m, dataset);
    for (int row = 0; row < m.classes; row++)
        draw_row(picture, &m, row, confusion + (size_t)row * (size_t)m.classes);
    return 0;
}

/* ---- mistakes ---- */

enum { COLUMNS = 3, SIDE_MIN = 128, SIDE_MAX = 256, LINES = 3 };

/* Where one image of a sheet is, and its size in pixels of the sheet. */
struct place_on_sheet {
    int top, left, height, width;
};

/* Copies an image of the dataset, scaled by whole pixels. A grey one has the same value in all channels. */
static void mistake_draw(struct image *picture, const struct place_on_sheet *place, const struct dataset *d, int64_t image)
{
    const uint8_t *pixels = d->images + image * d->height * d->width * d->channels;
    for (int y = 0; y < place->height; y++)
        for (int x = 0; x < place->width; x++) {
            const uint8_t *from = pixels + ((y * d->height / place->height) * d->width + x * d->width / place->width) * d->channels;
            size_t at = (size_t)(place->top + y) * (size_t)picture->width + (size_t)(place->left + x);
            for (int c = 0; c < IMAGE_CHANNELS; c++)
                picture->pixels[at * IMAGE_CHANNELS + (size_t)c] = from[d->channels < IMAGE_CHANNELS ? 0 : c];
        }
}

static void write_caption(struct image *picture, const struct place_on_sheet *place, const struct dataset *d,
                          const struct classified *row)
{
    char line[TEXT * 2];
    int top = place->top + place->height + 1;
    snprintf(line, sizeof line, "image %" PRId64, row->image);
    image_text(picture, top, place->left, line, BLACK);
    snprintf(line, sizeof line, "label %s", d->class_names[row->label]);
    image_text(picture, top + IMAGE_TEXT_HEIGHT, place->left, line, BLACK);
    snprintf(line, sizeof line, "%.1f %% %s", 100 * (double)row->probability, d->class_names[row->prediction]);
    image_text(picture, top + 2 * IMAGE_TEXT_HEIGHT, place->left, line, BLACK);
}

int mistakes_draw(struct image *picture, const struct dataset *dataset, const struct classified *rows, int count, struct error *why)
{
    int larger = dataset->height > dataset->width ? dataset->height : dataset->width;
    double scale = larger < SIDE_MIN ? SIDE_MIN / larger : larger > SIDE_MAX ? (double)SIDE_MAX / larger : 1;
    struct place_on_sheet place = {.height = (int)(dataset->height * scale), .width = (int)(dataset->width * scale)};
    place.height = place.height > 0 ? place.height : 1;
    place.width = place.width > 0 ? place.width : 1;
    int column = (place.width > SIDE_MIN ? place.width : SIDE_MIN) + GAP, row = place.height + LINES * IMAGE_TEXT_HEIGHT + GAP;
    if (image_blank(picture, (count + COLUMNS - 1) / COLUMNS * row + GAP, COLUMNS * column + GAP, WHITE, why))
        return -1;
    for (int i = 0; i < count; i++) {
        place.top = GAP + i / COLUMNS * row;
        place.left = GAP + i % COLUMNS * column;
        mistake_draw(picture, &place, dataset, rows[i].image);
        write_caption(picture, &place, dataset, &rows[i]);
    }
    return 0;
}
