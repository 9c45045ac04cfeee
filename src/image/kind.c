#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "decoders.h"

struct kind {
    size_t at, size; /* of the mark: offset and length */
    const char *mark, *name;
};

#define KIND(at, mark, name) {at, sizeof mark - 1, mark, name}

static const struct kind kinds[] = {
    KIND(0, "GIF8", "a GIF image"),
    KIND(8, "WEBP", "a WebP image"),
    KIND(0, "BM", "a BMP image"),
    KIND(0, "II*\0", "a TIFF image or a camera's raw one"),
    KIND(0, "MM\0*", "a TIFF image or a camera's raw one"),
    KIND(4, "ftypavif", "an AVIF image"),
    KIND(4, "ftypavis", "an AVIF image"),
    KIND(4, "ftyphe", "a HEIC image"),
    KIND(4, "ftypmif1", "a HEIF image (HEIC or AVIF)"),
    KIND(4, "ftyp", "a video or another file of the MP4 family"),
    KIND(0, "\xff\x0a", "a JPEG XL image"),
    KIND(4, "JXL \r\n\x87\n", "a JPEG XL image"),
    KIND(4, "jP  \r\n\x87\n", "a JPEG 2000 image"),
    KIND(0, "\xff\x4f\xff\x51", "a JPEG 2000 image"),
    KIND(0, "8BPS", "a Photoshop file"),
    KIND(0, "\0\0\1\0", "an icon"),
    KIND(0, "%PDF", "a PDF file"),
    KIND(0, "PK\3\4", "a ZIP archive"),
    KIND(0, "\x1f\x8b", "a gzip archive"),
    KIND(0, "\x89PNG", "a PNG image that was damaged, as by a transfer as text"),
    KIND(0, "\0\5\x16\7", "a macOS companion file (AppleDouble)"),
    KIND(0, "version https://git-lfs", "a Git LFS pointer: the picture itself was not downloaded"),
};

static const struct kind texts[] = {
    KIND(0, "<!doctype html", "a web page (HTML)"),
    KIND(0, "<html", "a web page (HTML)"),
    KIND(0, "<svg", "an SVG drawing"),
    KIND(0, "<?xml", "an XML file"),
};

const char *image_other_kind(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return "empty";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct kind *kind = &kinds[i];
        if (size >= kind->at + kind->size && !memcmp(bytes + kind->at, kind->mark, kind->size))
            return kind->name;
    }
    size_t first = size >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0; /* a byte order mark */
    while (first < size && isspace(bytes[first]))
        first++;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (size - first >= texts[i].size && !strncasecmp((const char *)bytes + first, texts[i].mark, texts[i].size))
            return texts[i].name;
    return NULL;
}
