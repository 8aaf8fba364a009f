/* Looks at the object that it is compiled into, as the loader mapped it. */
#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char zeroed[100000];                        /* .bss */
static const char *const words[] = {"one", "two"}; /* relocated, then read-only */
static const char *volatile word = "three";        /* relocated data */

static int faults;

static void fault(const char *what) {
    printf("fault: %s\n", what);
    faults++;
}

static int look(struct dl_phdr_info *info, size_t size, void *inside) {
    (void)size;
    int own = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + p->p_vaddr;
        own |= p->p_type == PT_LOAD && (uintptr_t)inside - start < p->p_memsz;
    }
    if (!own)
        return 0;
    int notes = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        const volatile unsigned char *start = (void *)(info->dlpi_addr + p->p_vaddr);
        if (p->p_type == PT_PHDR && start != (void *)info->dlpi_phdr)
            fault("PT_PHDR is not where the program headers are");
        if (p->p_type == PT_LOAD && (p->p_flags & PF_R) && p->p_memsz)
            (void)(start[0] + start[p->p_memsz - 1]); /* or SIGSEGV */
        if (p->p_type == PT_INTERP && start[0] != '/')
            fault("PT_INTERP holds no path");
        if (p->p_type == PT_NOTE && p->p_memsz >= 16) {
            notes++;
            if (memcmp((const void *)(start + 12), "GNU", 4) != 0 &&
                memcmp((const void *)(start + 12), "NixOS", 6) != 0)
                fault("PT_NOTE holds no note of GNU or NixOS");
        }
    }
    if (!notes)
        fault("no PT_NOTE");
    return 1;
}

/* The number of things that are wrong, each printed. */
static int self_check(void) {
    for (size_t i = 0; i < sizeof zeroed; i++)
        if (((volatile char *)zeroed)[i] != 0) {
            fault(".bss is not zero");
            break;
        }
    memset(zeroed, 1, sizeof zeroed);
    if (strcmp(words[0], "one") != 0 || strcmp(words[1], "two") != 0 || strcmp(word, "three") != 0)
        fault("relocated data is wrong");
    if (dl_iterate_phdr(look, zeroed) != 1)
        fault("dl_iterate_phdr does not know this object");
    return faults;
}
