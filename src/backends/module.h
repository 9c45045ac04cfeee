/* A backend in its own shared module, opened at run time so that the program starts without the module's libraries. The file
 * cifar10_<name>.so is searched in the folder named by the environment variable CIFAR10_MODULES, beside the program, and in
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

/* Opens the module and returns its backend if it can run here; about: as its probe sets it. Otherwise NULL, and `why` says what is
 * missing: the module, a library that it needs, or a device. The module is then closed, because its libraries take much memory. */
const struct backend *module_backend(const char *name, char *about, size_t size, struct error *why);

#endif
