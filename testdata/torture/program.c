/* An executable whose answer comes from a library that the RUNPATH finds. */
#include "self_check.h"

extern int answer(void);

static __thread int per_thread = 7;

int main(void) {
    int faults = self_check();
    if (*(volatile int *)&per_thread != 7)
        fault("thread-local data is wrong");
    printf("answer %d\n", answer());
    return faults != 0;
}
