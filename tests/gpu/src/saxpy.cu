// y = 2x + y on the GPU through the CUDA runtime.
#include "check.h"
#include "driver_in_use.h"

__global__ void saxpy(int n, float a, const float *x, float *y)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = a * x[i] + y[i];
}

int main(void)
{
    const int n = 1 << 16;
    float *x, *y;
    check(cudaMallocManaged(&x, n * sizeof *x));
    check(cudaMallocManaged(&y, n * sizeof *y));
    for (int i = 0; i < n; i++) {
        x[i] = i;
        y[i] = 1;
    }
    saxpy<<<n / 256, 256>>>(n, 2, x, y);
    check(cudaGetLastError());
    check(cudaDeviceSynchronize());
    for (int i = 0; i < n; i++)
        if (y[i] != 2.0f * i + 1) {
            printf("wrong result at %d: %f\n", i, y[i]);
            return 1;
        }
    print_driver_in_use();
    printf("right result\n");
}
