/* The backends linked into the program: one folder each, listed in registry.c. */
#ifndef BACKENDS_H
#define BACKENDS_H

#include "backend.h"

extern const struct backend backend_onednn, backend_openblas; /* cudnn is a module (module.h) */

#endif
