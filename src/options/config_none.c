/* --config in a build without libconfig. */
#include "flag.h"

int options_read_file(struct options *options, const char *file, struct error *why)
{
    (void)options;
    return error_set(why, "--config %s: this program was built without libconfig (Debian: libconfig-dev), which reads it", file);
}
