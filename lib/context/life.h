/* The parts of a context's life that every kind of context has. Private to this room. */
#ifndef CLG_CONTEXT_LIFE_H
#define CLG_CONTEXT_LIFE_H

#include "base/context.h"

/* NULL: out of host memory. */
clg_context *clg_context_new(uint64_t seed, uint64_t memory_limit);
void clg_context_destroy(clg_context *ctx);
/* Puts the error's line where the caller of a failing create wants it. */
void clg_context_report(const clg_error *error, char *message, size_t size);

#endif
