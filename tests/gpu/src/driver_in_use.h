// Prints which file provides libcuda.so.1 in this process, for comparison with `inspect --why`.
#pragma once
#include <stdio.h>
#include <string.h>

static void print_driver_in_use(void)
{
    char line[4096];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        char *path = strchr(line, '/');
        if (path && strstr(path, "/libcuda.so")) {
            printf("libcuda.so.1 => %s", path);
            break;
        }
    }
    if (maps)
        fclose(maps);
}
