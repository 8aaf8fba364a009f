#include <cstdio>

__global__ void saxpy(int n, float a, const float *x, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = a * x[i] + y[i];
}

int main() {
    int version = 0;
    cudaRuntimeGetVersion(&version);
    std::printf("%d\n", version);
    float *x = nullptr;
    if (cudaMalloc(&x, sizeof(float)) != cudaSuccess)
        return 0; // no GPU here: built, linked and loaded is what is asked
    saxpy<<<1, 1>>>(1, 2.0f, x, x);
    return cudaDeviceSynchronize() != cudaSuccess;
}
