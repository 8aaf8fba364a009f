// Separable compilation and dynamic parallelism: a kernel here launches one of another file.
#include <cstdio>

extern __global__ void child(int *sum);

__global__ void parent(int *sum) {
    child<<<1, 4>>>(sum);
}

int main() {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        std::puts("no GPU");
        return 0;
    }
    int *sum;
    cudaMallocManaged(&sum, sizeof(int));
    *sum = 0;
    parent<<<1, 2>>>(sum);
    bool fine = cudaDeviceSynchronize() == cudaSuccess && *sum == 12;
    std::puts(fine ? "fine" : "wrong");
    return !fine;
}
