/* Data behind the ELF file, as three kinds of reader find it in their own file. */
#define PAYLOAD "hello world!"
#define END "good-bye all"

#if TAIL & 1
/* Followed by the offset in decimal, once that is known. */
char position[40] = "PAYLOAD_POSITION";
#endif

static void find(FILE *file, const char *text, long at, int from, const char *reader) {
    char found[sizeof PAYLOAD - 1];
    if (fseek(file, at, from) != 0 || fread(found, sizeof found, 1, file) != 1 ||
        memcmp(found, text, sizeof found) != 0)
        fault(reader);
}

static void tail_check(const char *program) {
    FILE *file = fopen(program, "rb");
    if (!file) {
        fault("the program can't open itself");
        return;
    }
#if TAIL & 1
    find(file, PAYLOAD, atol(position + 16), SEEK_SET, "nothing at the offset");
#endif
#if TAIL & 2
    find(file, END, -12, SEEK_END, "no trailer at the end");
    find(file, PAYLOAD, -LENGTH, SEEK_END, "nothing before the trailer");
#endif
#if TAIL & 4
    ElfW(Ehdr) header;
    if (fseek(file, 0, SEEK_SET) != 0 || fread(&header, sizeof header, 1, file) != 1)
        fault("no ELF header");
    find(file, PAYLOAD, header.e_shoff + header.e_shnum * header.e_shentsize, SEEK_SET,
         "nothing behind the section headers");
#endif
    fclose(file);
}
