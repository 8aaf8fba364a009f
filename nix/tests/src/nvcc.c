#include <stdio.h>

int main(void) {
    puts("Cuda compilation tools, release " RELEASE ", V" RELEASE ".1");
    return 0;
}
