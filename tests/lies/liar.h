/* A device that says less of itself than it has, and keeps to it: see liar.c. For programs that are linked with it. */
#ifndef CLG_TESTS_LIAR_H
#define CLG_TESTS_LIAR_H

#include <stdbool.h>

/* From now on these lies, "group=32,local=0"; "" for none. */
void liar_tell(const char *lies);
/* How many calls were refused since. */
unsigned long liar_refusals(void);
/* Whether clGetDeviceInfo has been asked for this by now. */
bool liar_queried(unsigned what);

#endif
