#include <cstdio>
#include <cuda_runtime_api.h>

int main() {
    int version = 0;
    cudaError_t error = cudaRuntimeGetVersion(&version);
    std::printf("%d\n", version);
    return error != cudaSuccess;
}
