/* Faults of a whole program, which links this and the wrappers: FAULTY="clCreateBuffer 3 -4 1" fails its third call
 * with -4, once. FAULTY_REPORT names a file that gets, at the end, whether anything failed, the pieces of memory and
 * the objects that are left, and how often each call was made. */
#include "faulty.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void) {
  const char *asked = getenv("FAULTY");
  char name[64];
  long at = 0, times = 0;
  int code = 0;
  if (!asked || sscanf(asked, "%63s %ld %d %ld", name, &at, &code, &times) != 4) return;
  for (int i = 0; i < FAULTY_COUNT; i++)
    if (!strcmp(name, faulty_name((faulty_call)i))) faulty_begin((faulty_call)i, at, times, code);
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv("FAULTY_REPORT");
  bool failed = faulty_end();
  FILE *f = path ? fopen(path, "w") : NULL;
  if (!f) return;
  fprintf(f, "{\"failed\": %d, \"memory\": %ld, \"objects\": %ld, \"calls\": {", failed, faulty_memory(),
          faulty_objects());
  for (int i = 0; i < FAULTY_COUNT; i++)
    fprintf(f, "%s\"%s\": %ld", i ? ", " : "", faulty_name((faulty_call)i), faulty_calls((faulty_call)i));
  fputs("}}\n", f);
  fclose(f);
}
