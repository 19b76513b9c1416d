/* Built programs and their kernels. Private to rooms up to context. */
#ifndef CLG_DEVICE_PROGRAM_H
#define CLG_DEVICE_PROGRAM_H

#include "device/launch.h"
#include "device/queue.h"

struct clg_kernel {
  clg_kernel *next; /* of the same program */
  char *name;
  cl_kernel kernel;     /* NULL in a plan */
  int args;             /* how many it takes; -1: unknown */
  const char *file;     /* "" for one that was written */
  size_t group;         /* its program's WG */
  size_t max_group;     /* the most items of a work-group on this device, */
  uint64_t local_bytes; /* and what a group takes of local memory; 0: not known */
};

clg_programs *clg_programs_create(void);
void clg_programs_destroy(clg_programs *programs);
/* The two build each program once. Before any is built in the first. */
void clg_programs_share(clg_programs *programs, const clg_programs *from);
/* Whether declared.clh lacks something that a program calls. */
bool clg_programs_need_header(const clg_programs *programs);
/* Puts what was built from source into the disk cache. When the context ends, since a driver may take long over the
 * binary. */
void clg_programs_save(clg_context *ctx);

/* Tells the context's callback that a program is compiled, or (NULL) that it has been. */
static inline void clg_program_compiles(clg_context *ctx, const char *name) {
  if (name)
    clg_trace_begin(ctx, "build", name);
  else
    clg_trace_end(ctx);
  if (ctx->build) ctx->build(ctx->build_user, ctx->counters.programs, name);
}

/* A piece of source or key. */
typedef struct clg_part {
  const char *text;
  size_t size;
} clg_part;

/* CLGRAD_DUMP (dump.c): a program's source, as DIR/NAME.cl; failing to is no error. */
void clg_program_dump(clg_context *ctx, const char *name, const clg_part *parts, size_t n);

/* The disk cache (cache.c). The key is all parts one after the other, compared byte for byte. */
/* The program built from a cached binary, or NULL. */
cl_program clg_cache_load(clg_context *ctx, const clg_part *key, size_t n_key, const char *options);
/* Saves a built program; failing to is no error. */
void clg_cache_save(clg_context *ctx, cl_program program, const clg_part *key, size_t n_key);

#endif
