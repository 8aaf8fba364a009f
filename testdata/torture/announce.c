/* Tells that it was loaded. */
#include <stdio.h>

__attribute__((constructor)) static void announce(void) {
    puts(WORDS);
    fflush(stdout); /* Go ends without */
}
