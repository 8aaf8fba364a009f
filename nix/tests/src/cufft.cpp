// Says which cuFFT it runs with, and transforms a constant where there is a GPU.
#include <cstdio>
#include <cuda_runtime.h>
#include <cufft.h>

int main() {
    int version = 0, count = 0;
    if (cufftGetVersion(&version) != CUFFT_SUCCESS)
        return 1;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
        std::printf("cuFFT %d, no GPU\n", version);
        return 0;
    }
    const int n = 8;
    cufftComplex host[n], *device = nullptr;
    for (auto &value : host)
        value = {1.0f, 0.0f};
    cufftHandle plan;
    cudaMalloc(reinterpret_cast<void **>(&device), sizeof host);
    cudaMemcpy(device, host, sizeof host, cudaMemcpyHostToDevice);
    bool right = cufftPlan1d(&plan, n, CUFFT_C2C, 1) == CUFFT_SUCCESS &&
                 cufftExecC2C(plan, device, device, CUFFT_FORWARD) == CUFFT_SUCCESS;
    cudaMemcpy(host, device, sizeof host, cudaMemcpyDeviceToHost);
    right = right && host[0].x == n && host[1].x == 0.0f;
    std::printf("cuFFT %d, %s\n", version, right ? "fine" : "wrong");
    return !right;
}
