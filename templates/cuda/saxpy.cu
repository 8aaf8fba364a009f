// y = a x + y on the GPU.
#include <cstdio>

__global__ void saxpy(int n, float a, const float *x, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}

int main() {
    const int n = 1 << 16;
    float *x, *y;
    if (cudaMallocManaged(&x, n * sizeof(float)) != cudaSuccess ||
        cudaMallocManaged(&y, n * sizeof(float)) != cudaSuccess) {
        std::printf("no GPU: %s\n", cudaGetErrorString(cudaGetLastError()));
        return 1;
    }
    for (int i = 0; i < n; i++) x[i] = i, y[i] = 1;
    saxpy<<<(n + 255) / 256, 256>>>(n, 2, x, y);
    cudaError_t error = cudaDeviceSynchronize();
    bool fine = error == cudaSuccess;
    for (int i = 0; i < n; i++) fine = fine && y[i] == 2.0f * i + 1;
    std::printf("%s\n", fine ? "fine" : cudaGetErrorString(error));
    return !fine;
}
