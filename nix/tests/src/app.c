/* A program with libraries of all kinds: its own, an input's, a searched directory's, the
   driver's, and one that is nowhere (weak, so that it runs without). */
#include <stdio.h>
const char *own(void);
const char *greet(void);
const char *vendor(void);
int main(void) { printf("%s %s %s\n", own(), greet(), vendor()); return 0; }
