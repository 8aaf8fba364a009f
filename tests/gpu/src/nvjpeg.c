// Encodes a picture on the GPU with nvJPEG, decodes it again, and compares.
#include "driver_in_use.h"
#include <cuda_runtime_api.h>
#include <nvjpeg.h>
#include <stdlib.h>

enum { SIDE = 64, BYTES = SIDE * SIDE * 3 };

static void check(int status, const char *call)
{
    int error = cudaGetLastError();
    if (status != 0) {
        printf("error %d of %s: %s\n", status, call, cudaGetErrorString(error));
        exit(1);
    }
}
#define CHECK(call) check((int)(call), #call)

int main(void)
{
    static unsigned char in[BYTES], out[BYTES];
    nvjpegHandle_t handle;
    nvjpegJpegState_t decoder;
    nvjpegEncoderState_t encoder;
    nvjpegEncoderParams_t parameters;
    nvjpegImage_t image = {{0}};
    unsigned char *device, *file;
    size_t length;
    int devices;

    CHECK(cudaGetDeviceCount(&devices));
    for (int i = 0; i < BYTES; i++)
        in[i] = 40 + i / (SIDE * 3) * 2;
    CHECK(cudaMalloc((void **)&device, BYTES));
    CHECK(cudaMemcpy(device, in, BYTES, cudaMemcpyHostToDevice));
    image.channel[0] = device;
    image.pitch[0] = SIDE * 3;
    CHECK(nvjpegCreateSimple(&handle));
    CHECK(nvjpegEncoderStateCreate(handle, &encoder, NULL));
    CHECK(nvjpegEncoderParamsCreate(handle, &parameters, NULL));
    CHECK(nvjpegEncoderParamsSetSamplingFactors(parameters, NVJPEG_CSS_444, NULL));
    CHECK(nvjpegEncodeImage(handle, encoder, parameters, &image, NVJPEG_INPUT_RGBI, SIDE, SIDE, NULL));
    CHECK(nvjpegEncodeRetrieveBitstream(handle, encoder, NULL, &length, NULL));
    file = malloc(length);
    CHECK(nvjpegEncodeRetrieveBitstream(handle, encoder, file, &length, NULL));
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaMemset(device, 0, BYTES));
    CHECK(nvjpegJpegStateCreate(handle, &decoder));
    CHECK(nvjpegDecode(handle, decoder, file, length, NVJPEG_OUTPUT_RGBI, &image, NULL));
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaMemcpy(out, device, BYTES, cudaMemcpyDeviceToHost));
    for (int i = 0; i < BYTES; i++)
        if (abs(out[i] - in[i]) > 12) {
            printf("wrong result at %d: %d for %d\n", i, out[i], in[i]);
            return 1;
        }
    print_driver_in_use();
    printf("right result\n");
}
