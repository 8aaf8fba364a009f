// y = a x + y on the GPU. Without one, says so and which runtime was asked.
#include <cstdio>

__global__ void saxpy(int n, float a, const float *x, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}

int main() {
    int runtime = 0, devices = 0;
    cudaRuntimeGetVersion(&runtime);
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        std::printf("runtime %d, no GPU\n", runtime);
        return 0;
    }
    const int n = 1 << 16;
    float *x, *y;
    cudaMallocManaged(&x, n * sizeof(float));
    cudaMallocManaged(&y, n * sizeof(float));
    for (int i = 0; i < n; i++) x[i] = i, y[i] = 1;
    saxpy<<<(n + 255) / 256, 256>>>(n, 2, x, y);
    bool fine = cudaDeviceSynchronize() == cudaSuccess;
    for (int i = 0; i < n; i++) fine = fine && y[i] == 2.0f * i + 1;
    std::printf("runtime %d, %s\n", runtime, fine ? "fine" : "wrong");
    return !fine;
}
