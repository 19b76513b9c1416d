/* Results for programs. */
#ifndef GAN_REPORT_JSON_H
#define GAN_REPORT_JSON_H

#include "compare.h"

/* One JSON object, to be freed, on one line where it is to be compact; numbers do not depend on the locale. NULL: no
 * memory. */
char *report_json(const comparison *c, const run_setup *setup, bool compact);

#endif
