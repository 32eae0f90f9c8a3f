/* A CUDA runtime in plain memory, for processes that find theirs by name. Nothing waits: every call is done at once,
   and each recorded event is 0.25 ms after the one before. */
#include <stdlib.h>
#include <string.h>

static float now_ms;
typedef struct { float at_ms; } event;

const char *cudaGetErrorString(int status) { return status == 1 ? "invalid argument" : "?"; }
int cudaGetDeviceCount(int *count) { *count = 1; return 0; }
int cudaGetDeviceProperties(char *properties, int device) { strcpy(properties, "Fake Orin"); return device; }
int cudaDeviceGetAttribute(int *value, int code, int device) { *value = code == 75 ? 8 : 7; return device; }
int cudaRuntimeGetVersion(int *version) { *version = 12060; return 0; }
int cudaDriverGetVersion(int *version) { *version = 12060; return 0; }
int cudaMalloc(void **made, size_t size) { *made = malloc(size); return *made == NULL; }
int cudaMallocHost(void **made, size_t size) { *made = malloc(size); return *made == NULL; }
int cudaFree(void *memory) { free(memory); return 0; }
int cudaFreeHost(void *memory) { free(memory); return 0; }
int cudaStreamCreate(void **stream) { *stream = malloc(1); return *stream == NULL; }
int cudaStreamDestroy(void *stream) { free(stream); return 0; }
int cudaStreamSynchronize(void *stream) { return stream == NULL; }
int cudaEventCreate(event **made) { *made = malloc(sizeof(event)); return *made == NULL; }
int cudaEventDestroy(event *one) { free(one); return 0; }
int cudaEventRecord(event *one, void *stream) { one->at_ms = now_ms += 0.25f; return stream == NULL; }
int cudaEventElapsedTime(float *passed, event *from, event *to) { *passed = to->at_ms - from->at_ms; return 0; }
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *stream) {
  if (kind < 1 || kind > 2 || stream == NULL) return 1;
  memcpy(to, from, size);
  return 0;
}
