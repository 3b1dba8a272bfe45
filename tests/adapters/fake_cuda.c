/* A CUDA driver that knows the GPUs it is told of, for tests: FAKE_CUDA=init=CODE gpus=N nopci=1.

   Signatures are those of cuda.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int option(const char *key, int otherwise) {
  const char *words = getenv("FAKE_CUDA"), *at = words ? strstr(words, key) : NULL;
  return at ? atoi(at + strlen(key)) : otherwise;
}

enum { OK = 0, NO_DEVICE = 100, INVALID_DEVICE = 101, NOT_SUPPORTED = 801 };

int cuInit(unsigned int flags) { return flags ? 1 : option("init=", OK); }

int cuDeviceGet(int *device, int ordinal) {
  if (ordinal < 0 || ordinal >= option("gpus=", 1)) return INVALID_DEVICE;
  *device = ordinal + 40; /* a handle is not a number that anyone may count on */
  return OK;
}

int cuDeviceGetName(char *name, int length, int device) {
  snprintf(name, (size_t)length, "Drawn GPU %d", device - 40);
  return OK;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) {
  *bytes = (size_t)(device - 39) << 33;
  return OK;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  *value = attribute == 75 ? 9 : attribute == 76 ? 0 : -1;
  return OK;
}

int cuDeviceGetPCIBusId(char *id, int length, int device) {
  if (option("nopci=", 0)) return NOT_SUPPORTED;
  snprintf(id, (size_t)length, "0000:%02X:00.0", device);
  return OK;
}
