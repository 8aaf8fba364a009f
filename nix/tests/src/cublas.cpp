// Says which cuBLAS it runs with, and multiplies two matrices where there is a GPU.
#include <cstdio>
#include <cublas_v2.h>
#include <cuda_runtime.h>

int main() {
    int major = 0, minor = 0, patch = 0, count = 0;
    if (cublasGetProperty(MAJOR_VERSION, &major) != CUBLAS_STATUS_SUCCESS ||
        cublasGetProperty(MINOR_VERSION, &minor) != CUBLAS_STATUS_SUCCESS ||
        cublasGetProperty(PATCH_LEVEL, &patch) != CUBLAS_STATUS_SUCCESS)
        return 1;
    std::printf("cuBLAS %d.%d.%d, ", major, minor, patch);
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
        std::printf("no GPU\n");
        return 0;
    }
    const int n = 2;
    const float one = 1.0f, zero = 0.0f;
    float host[n * n] = {1.0f, 2.0f, 3.0f, 4.0f}, *device = nullptr;
    cublasHandle_t handle;
    cudaMalloc(reinterpret_cast<void **>(&device), 2 * sizeof host);
    cudaMemcpy(device, host, sizeof host, cudaMemcpyHostToDevice);
    bool right = cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS &&
                 cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &one, device, n, device, n,
                             &zero, device + n * n, n) == CUBLAS_STATUS_SUCCESS;
    cudaMemcpy(host, device + n * n, sizeof host, cudaMemcpyDeviceToHost);
    right = right && host[0] == 7.0f && host[1] == 10.0f && host[2] == 15.0f && host[3] == 22.0f;
    std::printf("%s\n", right ? "fine" : "wrong");
    return !right;
}
