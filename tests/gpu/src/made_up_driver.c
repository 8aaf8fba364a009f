// A driver without a GPU that names VERSION as its CUDA: what a runtime says to that version alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

enum { NO_DEVICE = 100, NOT_FOUND = 500 };

int cuDriverGetVersion(int *version)
{
    if (version == NULL)
        return 1;
    *version = VERSION;
    return 0;
}

int cuInit(unsigned flags)
{
    (void)flags;
    return NO_DEVICE;
}

static int none(void)
{
    return NO_DEVICE;
}

int cuGetProcAddress_v2(const char *name, void **function, int cuda, unsigned long flags, int *status);

// A runtime asks for hundreds of functions at its start, and uses none of them before cuInit.
int cuGetProcAddress(const char *name, void **function, int cuda, unsigned long flags)
{
    return cuGetProcAddress_v2(name, function, cuda, flags, NULL);
}

int cuGetProcAddress_v2(const char *name, void **function, int cuda, unsigned long flags, int *status)
{
    Dl_info own;
    void *handle = NULL;
    (void)cuda, (void)flags;
    if (dladdr((void *)cuInit, &own))
        handle = dlopen(own.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    *function = handle ? dlsym(handle, name) : NULL;
    if (*function == NULL)
        *function = (void *)none;
    if (status)
        *status = 0;
    return 0;
}

int cuGetExportTable(const void **table, const void *id)
{
    (void)id;
    *table = NULL;
    return NOT_FOUND;
}
