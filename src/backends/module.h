/* A backend in a shared module of its own, opened at run time, so that the program starts without the module's libraries.
 * The file is cifar10_<name>.so, in the folder that the environment's CIFAR10_MODULES names, beside the program, or in
 * ../libexec/cifar10_mpi. */
#ifndef BACKENDS_MODULE_H
#define BACKENDS_MODULE_H

#include "backend.h"

/* The module exports it as `cifar10_module`. abi: MODULE_ABI, a checksum of the headers that program and module share
 * (ABI_HEADERS in the Makefile); a module that was built with other headers is refused. */
struct backend_module {
    unsigned abi;
    struct backend backend;
};
extern const struct backend_module cifar10_module;

/* The backend of that module if it can run here, with its `about` (struct backend, probe); the module stays open. NULL with what is
 * missing: the module, a library that it needs, a device; the module is closed again, since its libraries take much memory. */
const struct backend *module_backend(const char *name, char *about, size_t size, struct error *why);

#endif
