/* Results as one HTML file that needs nothing else. */
#ifndef GAN_REPORT_H
#define GAN_REPORT_H

#include "../compare.h"

/* To be freed, *n bytes long. `words` are the command line's. NULL: no memory. */
char *report_html(const comparison *c, const run_setup *setup, char *const *words, size_t *n);

#endif
