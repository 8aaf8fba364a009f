__global__ void child(int *sum) {
    atomicAdd(sum, threadIdx.x);
}
