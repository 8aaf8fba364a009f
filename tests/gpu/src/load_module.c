// Loads the fatbin IMAGES, which is linked in where nvcc puts device code, through the driver API, and
// runs the kernel of twice.cu.
#include "driver_in_use.h"
#include <cuda.h>
#include <stdlib.h>

__asm__(".section .nv_fatbin, \"a\"\n"
        ".balign 8\n"
        "images:\n"
        ".incbin \"" IMAGES "\"\n"
        ".balign 8\n"
        ".previous\n");
extern const char images[];

static void check(CUresult result, const char *call)
{
    const char *words = "unknown";
    if (result == CUDA_SUCCESS)
        return;
    cuGetErrorString(result, &words);
    printf("error %d of %s: %s\n", (int)result, call, words);
    exit(1);
}
#define CHECK(call) check(call, #call)

int main(void)
{
    CUdevice device;
    CUcontext context;
    CUmodule module;
    CUfunction kernel;
    CUdeviceptr there;
    int x[32];
    void *arguments[] = {&there};
    CHECK(cuInit(0));
    CHECK(cuDeviceGet(&device, 0));
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuModuleLoadData(&module, images));
    CHECK(cuModuleGetFunction(&kernel, module, "twice"));
    CHECK(cuMemAlloc(&there, sizeof x));
    for (int i = 0; i < 32; i++)
        x[i] = i;
    CHECK(cuMemcpyHtoD(there, x, sizeof x));
    CHECK(cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, NULL, arguments, NULL));
    CHECK(cuMemcpyDtoH(x, there, sizeof x));
    for (int i = 0; i < 32; i++)
        if (x[i] != 2 * i) {
            printf("wrong result at %d: %d\n", i, x[i]);
            return 1;
        }
    print_driver_in_use();
    printf("right result\n");
}
