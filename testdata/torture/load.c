/* Loads the library that it is given, and asks it. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    void *library = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW);
    if (!library) {
        printf("dlopen: %s\n", dlerror());
        return 1;
    }
    int (*subject)(void) = (int (*)(void))dlsym(library, "subject");
    if (!subject) {
        printf("dlsym: %s\n", dlerror());
        return 1;
    }
    printf("answer %d\n", subject());
    return 0;
}
