#include "module.h"

#include <dlfcn.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of the program. */
static int program_folder(char *folder, size_t size, struct error *why)
{
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0)
        return error_set(why, "/proc/self/exe: %m");
    program[length] = '\0';
    snprintf(folder, size, "%s", dirname(program));
    return 0;
}

static bool module_is_there(char *file, size_t size, const char *folder, const char *below, const char *name)
{
    int length = snprintf(file, size, "%s%s/cifar10_%s.so", folder, below, name);
    return length > 0 && (size_t)length < size && !access(file, R_OK);
}

static int find_module(const char *name, char *file, size_t size, struct error *why)
{
    char folder[4096];
    const char *asked = getenv("CIFAR10_MODULES");
    if (program_folder(folder, sizeof folder, why))
        return -1;
    if ((asked && module_is_there(file, size, asked, "", name)) || module_is_there(file, size, folder, "", name) ||
        module_is_there(file, size, folder, "/../libexec/cifar10_mpi", name))
        return 0;
    return error_set(why, "there is no module cifar10_%s.so beside the program (`make info` tells why)", name);
}

static const struct backend *take_backend(void *handle, const char *file, char *about, size_t size, struct error *why)
{
    const struct backend_module *module = dlsym(handle, "cifar10_module");
    if (!module)
        error_set(why, "the module cannot be opened: %.600s has no cifar10_module", file);
    else if (module->abi != MODULE_ABI)
        error_set(why, "%.600s was built with other headers than this program: build it again (make, where nvcc is), or remove it",
                  file);
    else if (!module->backend.probe(about, size, why))
        return &module->backend;
    return NULL;
}

const struct backend *module_backend(const char *name, char *about, size_t size, struct error *why)
{
    char file[8192];
    if (find_module(name, file, sizeof file, why))
        return NULL;
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL); /* opening it again returns the same handle */
    if (!handle) {
        const char *reason = dlerror();
        error_set(why, "the module cannot be opened: %.600s", reason ? reason : file);
        return NULL;
    }
    const struct backend *backend = take_backend(handle, file, about, size, why);
    if (!backend)
        dlclose(handle);
    return backend;
}
