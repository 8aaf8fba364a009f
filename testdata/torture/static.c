/* An executable that needs no loader. */
#include <stdio.h>

int main(void) {
    puts("answer 42");
    return 0;
}
