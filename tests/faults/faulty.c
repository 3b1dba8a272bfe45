/* A provider library with faults, as ONNX Runtime loads it: the two symbols of a plug-in provider, declared here from
 * their documentation alone (every argument is a pointer or a size), and what the adapter calls when it is told to. */
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

static volatile int *const nowhere = NULL;
static int armed = 0;

EXPORT void faulty_crash(void) { *nowhere = 1; }

/* Spins with whatever lock its caller holds, Python's own too where it is called through ctypes.PyDLL. */
EXPORT void faulty_hang(int heed_sigterm) {
  volatile unsigned long turns = 0;
  if (!heed_sigterm) signal(SIGTERM, SIG_IGN);
  for (;;) ++turns;
}

/* Touched, so that the memory is really taken, and never given back. */
EXPORT void faulty_leak(size_t bytes) {
  volatile char *taken = malloc(bytes);
  for (size_t at = 0; taken != NULL && at < bytes; at += 512) taken[at] = 1;
}

/* The next exit of the process crashes, as drivers do that are torn down in the wrong order. */
EXPORT void faulty_arm(void) { armed = 1; }

__attribute__((destructor)) static void at_exit(void) {
  if (armed) faulty_crash();
}

EXPORT void *CreateEpFactories(const char *name, const void *api, const void *logger, void **factories, size_t most,
                               size_t *count) {
  (void)name, (void)api, (void)logger, (void)factories, (void)most;
  faulty_crash();
  *count = 0;
  return NULL;
}

EXPORT void *ReleaseEpFactory(void *factory) {
  (void)factory;
  return NULL;
}
