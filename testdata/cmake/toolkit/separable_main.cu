extern __device__ int twice(int x);

__global__ void kernel(int *x) { *x = twice(*x); }

int main() {
    kernel<<<1, 1>>>(nullptr);
    return 0;
}
