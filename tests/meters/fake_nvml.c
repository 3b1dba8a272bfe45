/* An NVML that measures nothing, for tests: power and time line are known, errors come when asked for.

   FAKE_NVML holds KEY=VALUE words. Times are seconds after `origin` (CLOCK_MONOTONIC ns; default: when it is loaded).

   gpus=1            init=CODE         nvmlInit fails         handle=CODE     GPU 0 cannot be opened
   low=W high=W period=S               power is `high` in the first half of each period (default 100 W throughout)
   refresh=S         power and counter are held between looks      noise=N    power differs by up to N mW from look to look
   fields=0          no field values   f83=CODE f185=CODE f186=CODE   this field fails
   module=W memory=W power in scopes 1 and 2                 energy=CODE usage=CODE  these calls fail
   arch=9 major=9 minor=0              mig=1 vgpu=2           old=1: throttle reasons by their former name only
   raw=N type=T      field 186 gives this number as nvmlValueType_t T, from the `rawcall`-th (1) query of fields on
   bits=N from=S for=S                 clock event reasons in that time
   lost=N error=CODE everything fails from the N-th query of fields on (15, GPU_IS_LOST); the first one is the probe's

   Structures are those of nvml.h as nvidia-ml-py declares them. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int ret;
typedef struct gpu *dev;
typedef union { double d; unsigned int ui; unsigned long ul; unsigned long long ull; long long sll; int si; unsigned short us; } number;
typedef struct { uint32_t id, scope; int64_t at, latency; unsigned int type; ret code; number value; } field;
typedef struct { char old[16]; unsigned int domain, bus, device, id, sub; char text[32]; } pci;
typedef struct { unsigned int version, sensor; int celsius; } heat;
enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, LOST = 15 };

static int64_t loaded;
static int open_sessions, queries;

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

__attribute__((constructor)) static void load(void) { loaded = now(); }

static double option(const char *key, double otherwise) {
  const char *words = getenv("FAKE_NVML");
  size_t length = strlen(key);
  while (words && *words) {
    while (*words == ' ') words++;
    if (!strncmp(words, key, length) && words[length] == '=') return strtod(words + length + 1, NULL);
    words = strchr(words, ' ');
  }
  return otherwise;
}

static double seconds(void) {
  const char *words = getenv("FAKE_NVML"), *at = words ? strstr(words, "origin=") : NULL;
  return (double)(now() - (at ? strtoll(at + 7, NULL, 10) : loaded)) / 1e9;
}

static double looked(void) {
  double refresh = option("refresh", 0), s = seconds();
  return refresh > 0 ? floor(s / refresh) * refresh : s;
}

static double watts(double s) {
  double period = option("period", 0), low = option("low", 100), high = option("high", low);
  return period > 0 && fmod(s, period) < period / 2 ? high : low;
}

static double joules(double s) {
  double period = option("period", 0), low = option("low", 100), high = option("high", low);
  if (period <= 0) return low * s;
  double whole = floor(s / period), rest = s - whole * period, half = period / 2;
  return whole * (low + high) * half + high * fmin(rest, half) + low * fmax(0, rest - half);
}

/* Milliwatts with the last digits in motion, as those of a sensor are: another value at each of its looks. */
static unsigned int milliwatts(double w) {
  double refresh = option("refresh", 0), noise = option("noise", 0);
  long look = refresh > 0 ? (long)floor(seconds() / refresh) : queries;
  return (unsigned int)lround(1000 * w + (noise > 0 ? (double)(look * 7 % 5) / 4 * noise : 0));
}

static double averaged(double s) { return joules(s) - joules(s - 1); }

/* Volta's counter starts when the driver is loaded, long before us. */
static unsigned long long counter(void) { return (unsigned long long)((1000 + joules(looked())) * 1000); }

static ret dead(dev gpu) {
  if (!open_sessions) return UNINITIALIZED;
  if (!gpu) return INVALID;
  return queries >= option("lost", 1e18) ? (ret)option("error", LOST) : OK;
}

static ret failing(dev gpu, const char *key) {
  ret code = dead(gpu);
  return code ? code : (ret)option(key, OK);
}

ret nvmlInitWithFlags(unsigned int flags) {
  (void)flags;
  ret code = (ret)option("init", OK);
  if (!open_sessions) queries = 0;
  open_sessions += !code;
  return code;
}
ret nvmlShutdown(void) { return open_sessions-- > 0 ? OK : UNINITIALIZED; }
const char *nvmlErrorString(ret code) { (void)code; return "an error of the test's NVML"; }
ret nvmlSystemGetDriverVersion(char *text, unsigned int size) { return snprintf(text, size, "555.42.06"), OK; }
ret nvmlDeviceGetCount_v2(unsigned int *count) { return *count = (unsigned int)option("gpus", 1), OK; }
ret nvmlDeviceGetHandleByIndex_v2(unsigned int index, dev *gpu) {
  if (index >= option("gpus", 1)) return NOT_FOUND;
  *gpu = (dev)(uintptr_t)(index + 1);
  return index ? OK : (ret)option("handle", OK);
}
ret nvmlDeviceGetPciInfo_v3(dev gpu, pci *info) {
  memset(info, 0, sizeof *info);
  info->bus = (unsigned int)(uintptr_t)gpu;
  snprintf(info->text, sizeof info->text, "%08X:%02X:00.0", 0, info->bus);
  return dead(gpu);
}
ret nvmlDeviceGetName(dev gpu, char *text, unsigned int size) { return snprintf(text, size, "NVIDIA Test GPU"), dead(gpu); }
ret nvmlDeviceGetArchitecture(dev gpu, unsigned int *arch) { return *arch = (unsigned int)option("arch", 9), dead(gpu); }
ret nvmlDeviceGetCudaComputeCapability(dev gpu, int *major, int *minor) {
  *major = (int)option("major", 9), *minor = (int)option("minor", 0);
  return dead(gpu);
}
ret nvmlDeviceGetMigMode(dev gpu, unsigned int *current, unsigned int *pending) {
  *current = *pending = (unsigned int)option("mig", 0);
  return option("arch", 9) < 7 ? NOT_SUPPORTED : dead(gpu);
}
ret nvmlDeviceGetVirtualizationMode(dev gpu, unsigned long long *mode) {
  return *mode = (unsigned long long)option("vgpu", 0), dead(gpu);
}
ret nvmlDeviceGetPowerManagementLimitConstraints(dev gpu, unsigned int *least, unsigned int *most) {
  return *least = 100000, *most = 350000, dead(gpu);
}
ret nvmlDeviceGetEnforcedPowerLimit(dev gpu, unsigned int *limit) { return *limit = 300000, failing(gpu, "limit"); }
ret nvmlDeviceGetTotalEnergyConsumption(dev gpu, unsigned long long *energy) {
  return *energy = counter(), failing(gpu, "energy");
}
ret nvmlDeviceGetPowerUsage(dev gpu, unsigned int *power) {
  int averages = option("arch", 9) >= 7 && option("major", 9) * 10 + option("minor", 0) != 80;
  *power = milliwatts(averages ? averaged(looked()) : watts(looked()));
  return failing(gpu, "usage");
}
ret nvmlDeviceGetTemperatureV(dev gpu, heat *sensor) {
  if (option("old", 0)) return NOT_SUPPORTED;
  return sensor->celsius = 40 + (int)seconds(), dead(gpu);
}
ret nvmlDeviceGetTemperature(dev gpu, unsigned int sensor, unsigned int *celsius) {
  return *celsius = 40 + sensor, dead(gpu);
}
ret nvmlDeviceGetClockInfo(dev gpu, unsigned int kind, unsigned int *clock) {
  return *clock = kind == 1 ? 1980 : 2619, dead(gpu);
}
static ret reasons(dev gpu, unsigned long long *bits) {
  double s = seconds(), from = option("from", 0);
  *bits = s >= from && s < from + option("for", 1e18) ? (unsigned long long)option("bits", 0) : 0;
  return dead(gpu);
}
ret nvmlDeviceGetCurrentClocksEventReasons(dev gpu, unsigned long long *bits) {
  return option("old", 0) ? NOT_SUPPORTED : reasons(gpu, bits);
}
ret nvmlDeviceGetCurrentClocksThrottleReasons(dev gpu, unsigned long long *bits) { return reasons(gpu, bits); }

ret nvmlDeviceGetFieldValues(dev gpu, int count, field *values) {
  queries++;
  ret code = dead(gpu);
  if (code) return code;
  if (!option("fields", 1)) return NOT_SUPPORTED;
  for (int i = 0; i < count; i++) {
    field *item = values + i;
    char key[16];
    snprintf(key, sizeof key, "f%u", item->id);
    item->code = (ret)option(key, OK);
    item->type = 1;
    double w = item->id == 185 ? averaged(looked()) : watts(looked());
    if (item->scope) {
      w = option(item->scope == 1 ? "module" : "memory", -1);
      if (w < 0 || item->id == 185) item->code = NOT_SUPPORTED;
    }
    if (item->id == 83) item->type = 3, item->value.ull = counter();
    else if (item->id == 185 || item->id == 186) item->value.ui = milliwatts(w);
    else item->code = NOT_SUPPORTED;
    if (item->id == 186 && !item->scope && queries >= option("rawcall", 1) && option("type", -1) >= 0) {
      double raw = option("raw", 0);
      item->type = (unsigned int)option("type", 1);
      switch (item->type) {
        case 0: item->value.d = raw; break;
        case 3: item->value.ull = (unsigned long long)raw; break;
        case 4: item->value.sll = (long long)raw; break;
        case 5: item->value.si = (int)raw; break;
        case 6: item->value.us = (unsigned short)raw; break;
        default: item->value.ui = (unsigned int)raw;
      }
    }
  }
  return OK;
}
