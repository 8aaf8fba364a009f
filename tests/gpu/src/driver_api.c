// The driver API alone, linked to libcuda.so.1: copies a buffer to the GPU and back.
#include "driver_in_use.h"
#include <cuda.h>
#include <stdlib.h>

static void check(CUresult result)
{
    const char *words = "unknown";
    if (result == CUDA_SUCCESS)
        return;
    cuGetErrorString(result, &words);
    printf("error %d: %s\n", (int)result, words);
    exit(1);
}

int main(void)
{
    CUdevice device;
    CUcontext context;
    CUdeviceptr there;
    int out[256], back[256] = {0};
    check(cuInit(0));
    check(cuDeviceGet(&device, 0));
    check(cuDevicePrimaryCtxRetain(&context, device));
    check(cuCtxSetCurrent(context));
    check(cuMemAlloc(&there, sizeof out));
    for (int i = 0; i < 256; i++)
        out[i] = i * i;
    check(cuMemcpyHtoD(there, out, sizeof out));
    check(cuMemcpyDtoH(back, there, sizeof back));
    if (memcmp(out, back, sizeof out)) {
        printf("wrong result\n");
        return 1;
    }
    print_driver_in_use();
    printf("right result\n");
}
