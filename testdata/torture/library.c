/* A library whose answer comes from another one that its RUNPATH finds. */
#include "self_check.h"

extern int answer(void);

int subject(void) {
    return self_check() ? -1 : answer();
}
