/* toolkit farm OUT NVCC PIECE... | toolkit search TEXT TREE: the least that setupCudaHook's program does.
 *
 * farm    a directory with the pieces' bin, include and lib, a link for each entry; nvcc is read for
 *         its version, as asking it takes longer.
 * search  reads all files of a tree, looks for the text in them, and says whether it is there. */

#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(2);
}

/* Whether a file has the text. */
static int has(int file, const char *text)
{
    struct stat status;
    if (fstat(file, &status))
        fail("fstat");
    if (status.st_size == 0)
        return 0;
    char *bytes = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (bytes == MAP_FAILED)
        fail("mmap");
    int found = memmem(bytes, status.st_size, text, strlen(text)) != NULL;
    munmap(bytes, status.st_size);
    return found;
}

static int search(int parent, const char *name, const char *text)
{
    int found = 0;
    int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = directory < 0 ? NULL : fdopendir(directory);
    if (!entries)
        fail(name);
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (entry->d_type == DT_DIR) {
            found |= search(directory, entry->d_name, text);
        } else if (entry->d_type == DT_REG) {
            int file = openat(directory, entry->d_name, O_RDONLY | O_CLOEXEC);
            if (file < 0)
                fail(entry->d_name);
            found |= has(file, text);
            close(file);
        }
    }
    closedir(entries);
    return found;
}

/* Only read-only data is read, in windows that fit into a core's cache. */
static int read_only_data_has(int file, const char *text)
{
    static char bytes[1 << 16], names[1 << 16];
    static Elf64_Shdr sections[256];
    Elf64_Ehdr header;
    int found = 0;
    if (pread(file, &header, sizeof header, 0) != sizeof header || header.e_shnum > 256 ||
        pread(file, sections, header.e_shnum * sizeof *sections, header.e_shoff) < 0 ||
        pread(file, names, sizeof names - 1, sections[header.e_shstrndx].sh_offset) < 0)
        fail("pread");
    for (int at = 0; at < header.e_shnum; at++) {
        if (strcmp(names + sections[at].sh_name, ".rodata"))
            continue;
        off_t start = sections[at].sh_offset, end = start + sections[at].sh_size;
        for (; start < end; start += sizeof bytes - strlen(text)) {
            ssize_t length = pread(file, bytes, sizeof bytes, start);
            if (length <= 0)
                fail("pread");
            found |= memmem(bytes, length, text, strlen(text)) != NULL;
        }
    }
    return found;
}

static void links(int farm, const char *place, const char *piece)
{
    char from[4096], to[4096];
    snprintf(from, sizeof from, "%s/%s", piece, place);
    DIR *entries = opendir(from);
    if (!entries)
        return;
    mkdirat(farm, place, 0777);
    int directory = openat(farm, place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(to, sizeof to, "%s/%s", from, entry->d_name);
        /* One of several pieces that have it. */
        symlinkat(to, directory, entry->d_name);
    }
    close(directory);
    closedir(entries);
}

int main(int count, char **words)
{
    if (count == 4 && !strcmp(words[1], "search"))
        return search(AT_FDCWD, words[3], words[2]);
    if (count < 5 || strcmp(words[1], "farm"))
        return 2;
    int nvcc = open(words[3], O_RDONLY | O_CLOEXEC);
    mkdir(words[2], 0777);
    int farm = open(words[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (nvcc < 0 || farm < 0)
        fail("open");
    read_only_data_has(nvcc, "Cuda compilation tools, release ");
    for (int at = 4; at < count; at++) {
        links(farm, "bin", words[at]);
        links(farm, "include", words[at]);
        links(farm, "lib", words[at]);
    }
    return 0;
}
