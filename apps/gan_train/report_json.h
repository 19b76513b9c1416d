/* Results for programs. */
#ifndef GAN_REPORT_JSON_H
#define GAN_REPORT_JSON_H

#include "compare.h"

/* One JSON object and a newline; numbers do not depend on the locale. */
bool report_json(FILE *to, const comparison *c, const run_setup *setup, message *why);

#endif
