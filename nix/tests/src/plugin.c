/* Needs libc and nothing else: it has no RUNPATH to begin with. */
#include <stdio.h>
void plugin(void) { puts("plugin"); }
