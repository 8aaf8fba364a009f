/* An executable whose answer comes from a library that the RUNPATH finds. */
#include "self_check.h"

#ifdef TAIL
#include "tail.h"
#endif

extern int answer(void);

static __thread int per_thread = 7;

int main(int argc, char **argv) {
    (void)argc, (void)argv;
    self_check();
    if (*(volatile int *)&per_thread != 7)
        fault("thread-local data is wrong");
#ifdef TAIL
    tail_check(argv[0]);
#endif
    printf("answer %d\n", answer());
    return faults != 0;
}
