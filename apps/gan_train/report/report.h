/* Results as one HTML file that needs nothing else. */
#ifndef GAN_REPORT_H
#define GAN_REPORT_H

#include "../compare.h"

/* To be freed, *n bytes long. `words` are the command line's. NULL: `why`. */
char *report_html(const comparison *c, const run_setup *setup, char *const *words, size_t *n, message *why);

#endif
