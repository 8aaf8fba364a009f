// Dynamic parallelism: a kernel launches a kernel, which needs libcudadevrt.
#include "check.h"
#include "driver_in_use.h"

__global__ void child(int *out) { out[threadIdx.x] = 3 * threadIdx.x; }

__global__ void parent(int *out) { child<<<1, 32>>>(out); }

int main(void)
{
    int *out;
    check(cudaMallocManaged(&out, 32 * sizeof *out));
    parent<<<1, 1>>>(out);
    check(cudaGetLastError());
    check(cudaDeviceSynchronize());
    for (int i = 0; i < 32; i++)
        if (out[i] != 3 * i) {
            printf("wrong result at %d: %d\n", i, out[i]);
            return 1;
        }
    print_driver_in_use();
    printf("right result\n");
}
