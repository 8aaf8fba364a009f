// A user of the CUDA runtime without device code: what a newer or older cudart does by itself.
#include "driver_in_use.h"
#include <cuda_runtime_api.h>
#include <stdlib.h>

static void check(cudaError_t error)
{
    if (error != cudaSuccess) {
        printf("error %d: %s\n", (int)error, cudaGetErrorString(error));
        exit(1);
    }
}

int main(void)
{
    int count = 0, there = 7, back = 0;
    int *device;
    check(cudaGetDeviceCount(&count));
    check(cudaMalloc((void **)&device, sizeof there));
    check(cudaMemcpy(device, &there, sizeof there, cudaMemcpyHostToDevice));
    check(cudaMemcpy(&back, device, sizeof back, cudaMemcpyDeviceToHost));
    if (back != there || count == 0) {
        printf("wrong result\n");
        return 1;
    }
    print_driver_in_use();
    printf("right result\n");
}
