/* Says on standard error that kernels are compiled, which a first run on a device does for half a minute. */
#ifndef APPS_BUILDING_H
#define APPS_BUILDING_H

#include <stdbool.h>
#include <stdint.h>

typedef struct building {
  bool on;
  uint64_t total; /* programs of the run, as its plan counted them; 0: not known */
  bool terminal;
  double next; /* elsewhere: when the next line is due */
} building;

void building_begin(building *b, bool on, uint64_t total);
/* A clg_build_fn; `user` is the building. */
void building_note(void *user, uint64_t done, const char *name);
/* Takes the line off the terminal. It stays until then, since some drivers go on compiling when kernels are launched.
 */
void building_clear(void);

#endif
