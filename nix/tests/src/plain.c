/* A program that needs nothing but libc. */
#include <stdio.h>
int main(void) { puts("plain"); return 0; }
