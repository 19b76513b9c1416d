#include "faulty.h"
#include <string.h>

static const char *const names[FAULTY_COUNT] = {
#define FAULTY_NAME(name) #name,
    FAULTY_CALLS(FAULTY_NAME)
#undef FAULTY_NAME
};
static struct {
  faulty_call call;
  long at, times;
  int code;
  bool failed;
} fault;
static long calls[FAULTY_COUNT];
static long memory, objects;

const char *faulty_name(faulty_call call) { return names[call]; }
bool faulty_is_opencl(faulty_call call) { return !strncmp(names[call], "cl", 2); }
bool faulty_is_query(faulty_call call) { return !strncmp(names[call], "clGet", 5); }
long faulty_calls(faulty_call call) { return calls[call]; }
long faulty_memory(void) { return memory; }
long faulty_objects(void) { return objects; }

void faulty_begin(faulty_call call, long at, long times, int code) {
  memset(calls, 0, sizeof calls);
  fault.call = call, fault.at = at, fault.times = times, fault.code = code, fault.failed = false;
}
bool faulty_end(void) {
  fault.at = 0;
  return fault.failed;
}

bool faulty_now(faulty_call call) {
  long number = ++calls[call];
  bool fails = call == fault.call && fault.at && number >= fault.at && number - fault.at < fault.times;
  fault.failed = fault.failed || fails;
  return fails;
}
int faulty_code(void) { return fault.code; }
void faulty_hold_memory(long pieces) { memory += pieces; }
void faulty_hold_objects(long n) { objects += n; }
