/* The backends of this program: a folder each, listed in registry.c. */
#ifndef BACKENDS_H
#define BACKENDS_H

#include "backend.h"

extern const struct backend backend_cudnn, backend_onednn, backend_openblas;

#endif
