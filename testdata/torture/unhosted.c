/* A program or library without a C library: readers judge it. */
#ifdef LIBRARY
int answer(void) {
    return 42;
}
#else
extern int answer(void);

static __thread int per_thread = 7;
int zeroed[1000];
/* Relocated: by symbol and by base address, packed and not. */
int (*const calls[])(void) = {answer, answer, answer, answer};
const char *const words[] = {"one", "two", "three"};
const char *word = "four";

int subject(void) {
    return calls[zeroed[1]]() + per_thread + words[zeroed[2]][0] + word[0];
}

void _start(void) {
    for (;;)
        subject();
}
#endif
