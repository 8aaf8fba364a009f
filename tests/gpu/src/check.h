// Ends the program with CUDA's own words for the first error.
#pragma once
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>

static void check(cudaError_t error)
{
    if (error != cudaSuccess) {
        printf("error %d: %s\n", (int)error, cudaGetErrorString(error));
        exit(1);
    }
}
