/* What the page says of allocations. */
#ifndef GAN_REPORT_MEMORY_WORDS_H
#define GAN_REPORT_MEMORY_WORDS_H

#include "../record.h"
#include <stdio.h>

#define WORDS_ROOM 256

/* "linear in G.0", "workspace of matmul" */
void words_of_item(const record_item *item, char to[WORDS_ROOM]);
/* "float32 [128, 256]", or "" */
void words_of_shape(const record_item *item, char to[WORDS_ROOM]);
/* "the backward of linear in D.2, in D fake backward", or "lives on after the step" */
void words_of_release(const record_item *item, char to[WORDS_ROOM]);

#endif
