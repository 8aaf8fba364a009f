// Separable compilation: the kernel calls a device function of another translation unit.
#include "check.h"
#include "driver_in_use.h"

__device__ int square(int x);

__global__ void squares(int *out) { out[threadIdx.x] = square(threadIdx.x); }

int main(void)
{
    int *out;
    check(cudaMallocManaged(&out, 32 * sizeof *out));
    squares<<<1, 32>>>(out);
    check(cudaGetLastError());
    check(cudaDeviceSynchronize());
    for (int i = 0; i < 32; i++)
        if (out[i] != i * i) {
            printf("wrong result at %d: %d\n", i, out[i]);
            return 1;
        }
    print_driver_in_use();
    printf("right result\n");
}
