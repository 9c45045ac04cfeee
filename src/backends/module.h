/* A backend in a shared module of its own, opened at run time: the program starts where the module's libraries are not.
 * The file is cifar10_<name>.so, in the folder that the environment's CIFAR10_MODULES names, beside the program, or in
 * ../libexec/cifar10_mpi. */
#ifndef BACKENDS_MODULE_H
#define BACKENDS_MODULE_H

#include "backend.h"

/* The module exports it as `cifar10_module`. abi: MODULE_ABI, which the Makefile makes of the headers that both must have alike
 * (ABI_HEADERS): a module that was built with others is refused. */
struct backend_module {
    unsigned abi;
    struct backend backend;
};
extern const struct backend_module cifar10_module;

/* The backend of that module, which can run here, with its `about` (struct backend, probe). NULL with what is missing: the module,
 * a library that it needs, a device; then it is closed again, since its libraries take much memory. Else it stays open. */
const struct backend *module_backend(const char *name, char *about, size_t size, struct error *why);

#endif
