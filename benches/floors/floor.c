/* floor read|examine|rewrite TREE THREADS: the system calls that a task takes, and nothing else.
 *
 * read     walks, and reads the first 4 KiB of each regular file: no tool that looks at every file
 *          can be faster.
 * examine  the calls of a fixup that finds nothing to do: a first pass reads the headers of each
 *          file; the second reads those of each ELF file again, under its lock.
 * rewrite  the calls of a fixup that changes each ELF file so that a kill at any time leaves a file
 *          that loads. It writes the bytes that it has read: the file is as before in the end.
 *
 * Headers are at the start of a file, its dynamic section at the end. With one thread the first
 * pass reads each file while the directory is open, by its name alone. */

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PAGE 4096
#define OPEN (O_RDONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)

struct list {
    char **paths;
    size_t count, room;
};

enum mode { READ, EXAMINE, REWRITE };
static enum mode mode;
static struct list files, elf;
static int threads;

static void add(struct list *list, char *path) {
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 1024;
        list->paths = realloc(list->paths, list->room * sizeof *list->paths);
    }
    list->paths[list->count++] = path;
}

static off_t last_page(off_t length) { return length > 0 ? (length - 1) / PAGE * PAGE : 0; }

/* Reads the headers. The length of an ELF file; else 0. */
static off_t read_headers(int fd) {
    char page[PAGE];
    struct stat st;
    fstat(fd, &st);
    ssize_t got = pread(fd, page, PAGE, 0);
    if (got < 4 || memcmp(page, "\177ELF", 4) != 0) return 0;
    pread(fd, page, PAGE, last_page(st.st_size));
    return st.st_size;
}

static int first_pass(int directory, const char *name) {
    char page[PAGE];
    int fd = openat(directory, name, OPEN), is_elf = 0;
    if (fd < 0) return 0;
    if (mode == READ) pread(fd, page, PAGE, 0);
    else is_elf = read_headers(fd) > 0;
    close(fd);
    return is_elf;
}

static void rewrite(const char *path) {
    char bytes[3 * PAGE] = {0};
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    fstat(fd, &st);
    off_t length = st.st_size;
    /* What was read is still there: with one read, unless the parts are far apart. */
    ssize_t got = pread(fd, bytes, sizeof bytes, 0);
    if (length > 16 * PAGE) pread(fd, bytes + 2 * PAGE, PAGE, last_page(length));
    fgetxattr(fd, "security.capability", NULL, 0);
    /* The journal: new contents behind the file, and a header that uses them. Then what no state of
     * the journal uses: program headers, strings, the dynamic section, section headers. */
    static const struct { int at, length; } part[] = {{64, 560}, {1024, 19}, {2048, 496}, {4096, 256}};
    pwrite(fd, bytes, 3560, length);
    pwrite(fd, bytes, 64, 0);
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        if (part[i].at + part[i].length <= got)
            pwrite(fd, bytes + part[i].at, part[i].length, part[i].at);
    /* The final header, and the end of the journal. */
    pwrite(fd, bytes, 64, 0);
    ftruncate(fd, length);
    /* The result is read back by another parser. */
    fstat(fd, &st);
    pread(fd, bytes, PAGE, 0);
    if (length > 2 * PAGE) pread(fd, bytes, 2 * PAGE, last_page(length));
    close(fd);
}

static void second_pass(const char *path) {
    char tables[2 * PAGE];
    struct stat st;
    int fd = open(path, OPEN);
    if (fd < 0) return;
    flock(fd, LOCK_EX | LOCK_NB);
    /* Another process may have replaced the file before the lock was there. */
    stat(path, &st);
    off_t length = read_headers(fd);
    if (mode == REWRITE && length > 0) {
        /* The tables of a small file were read with its headers. */
        if (length > 4 * PAGE) {
            pread(fd, tables, PAGE, PAGE);
            pread(fd, tables, 2 * PAGE, PAGE);
        }
        rewrite(path);
    }
    close(fd);
}

static void walk(const char *path, int fd) {
    DIR *directory = fdopendir(fd);
    if (!directory) return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        const char *name = entry->d_name;
        if (!strcmp(name, ".") || !strcmp(name, "..")) continue;
        char *below;
        if (entry->d_type != DT_DIR && entry->d_type != DT_REG) continue;
        if (asprintf(&below, "%s/%s", path, name) < 0) exit(1);
        if (entry->d_type == DT_DIR) {
            int inner = openat(dirfd(directory), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (inner >= 0) walk(below, inner);
            free(below);
            continue;
        }
        add(&files, below);
        if (threads == 1 && first_pass(dirfd(directory), name)) add(&elf, below);
    }
    closedir(directory);
}

static atomic_size_t next;
static char *is_elf;

static void *first_worker(void *unused) {
    for (size_t at; (at = atomic_fetch_add(&next, 1)) < files.count;)
        is_elf[at] = first_pass(AT_FDCWD, files.paths[at]);
    return unused;
}

static void *second_worker(void *unused) {
    for (size_t at; (at = atomic_fetch_add(&next, 1)) < elf.count;) second_pass(elf.paths[at]);
    return unused;
}

static void spread(void *(*worker)(void *)) {
    pthread_t *all = malloc(threads * sizeof *all);
    next = 0;
    for (int i = 1; i < threads; i++) pthread_create(&all[i], NULL, worker, NULL);
    worker(NULL);
    for (int i = 1; i < threads; i++) pthread_join(all[i], NULL);
    free(all);
}

int main(int argc, char **argv) {
    int tree = argc == 4 ? open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    threads = argc == 4 ? atoi(argv[3]) : 0;
    if (tree < 0 || threads < 1) {
        fprintf(stderr, "usage: %s read|examine|rewrite TREE THREADS\n", argv[0]);
        return 2;
    }
    mode = !strcmp(argv[1], "rewrite") ? REWRITE : !strcmp(argv[1], "examine") ? EXAMINE : READ;
    walk(argv[2], tree);
    if (threads > 1) {
        is_elf = calloc(files.count + 1, 1);
        spread(first_worker);
        for (size_t i = 0; i < files.count; i++)
            if (is_elf[i]) add(&elf, files.paths[i]);
    }
    if (mode != READ) spread(second_worker);
    printf("%zu files, %zu ELF\n", files.count, elf.count);
    return 0;
}
