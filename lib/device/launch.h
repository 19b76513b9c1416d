/* Programs, kernels and launches. A program is one embedded .cl file compiled after a prelude text; it is built at the
 * first use of one of its kernels, through the disk cache. */
#ifndef CLG_DEVICE_LAUNCH_H
#define CLG_DEVICE_LAUNCH_H

#include "base/context.h"
#include "device/pool.h"

typedef struct clg_kernel clg_kernel;

/* The kernel `name` of `file` ("pool.cl") compiled after `prelude` (may be NULL; #defines and formula text). The source
 * is: common.cl, prelude, file. Every program gets the macros CLG_CPU (1 or 0), WG (work-group size of the shared
 * kernels: 1 on a CPU, 64 on a GPU) and VW (vector width: 16 on a CPU, 1 on a GPU). Found by content; callers keep the
 * pointer, which lives as long as the context. Where the file puts #if CLG_WANT(kernel) around each of its kernels, a
 * program has that one kernel alone, which spares the driver the others. NULL with the context's error when it does not
 * build. In a plan nothing is built. */
clg_kernel *clg_kernel_get(clg_context *ctx, const char *file, const char *prelude, const char *name);

/* A kernel of a text that lib/kernel wrote. The source is: common.cl, `file`, text. `label` names the program in
 * messages and in compilers' logs. */
typedef struct clg_written {
  const char *file, *label, *text;
} clg_written;
clg_kernel *clg_kernel_written(clg_context *ctx, const clg_written *w, const char *name);
/* A driver that compiles a kernel at its first launch: a program costs it the same however many kernels are in it. */
bool clg_compiles_late(const clg_context *ctx);

/* A source of the user's own instead of a file: whether it builds, and a kernel of it. */
clg_status clg_source_build(clg_context *ctx, const char *source);
clg_kernel *clg_kernel_of_source(clg_context *ctx, const char *source, const char *name);

/* The work-group size of kernels that share work (macro WG), 1 on a CPU shape: what the device allows, */
size_t clg_wg(const clg_context *ctx);
/* and a kernel's own, which is less where the device allows that kernel less. Of NULL: the device's. */
size_t clg_kernel_group(const clg_context *ctx, const clg_kernel *k);
/* The vector width that kernels see as VW: of sums, a constant of the shape. */
unsigned clg_vector_width(const clg_context *ctx);
/* Lanes of the device's registers, 4, 8 or 16, which kernels of the CPU shape see as REGISTER_LANES: how they block,
 * never in which order they add. */
unsigned clg_register_lanes(const clg_context *ctx);

/* A place on the device: a block and the index of an element in it. */
typedef struct clg_at {
  clg_block *block; /* NULL: none */
  size_t offset;
} clg_at;

/* Kernel arguments, in the kernel's order and of its types. A map has most: 8 results and 10 tensors with 3 arguments
 * each, 12 numbers and 2 sizes: 68. */
enum { CLG_ARGS_MOST = 70 };
typedef struct clg_args {
  int n; /* set it to 0 to begin: clearing the whole list would take longer than filling it */
  struct clg_arg {
    uint32_t size; /* bytes; 0: a block */
    union {
      clg_block *block;
      uint32_t u32;
      int32_t i32;
      float f32, f32x2[2];
      int32_t v8[8]; /* int8 */
      uint64_t u64;
    } u;
  } arg[CLG_ARGS_MOST];
} clg_args;
static inline struct clg_arg *clg_args_next(clg_args *a, uint32_t size) {
  struct clg_arg *next = &a->arg[a->n++];
  next->size = size;
  return next;
}
static inline void clg_args_block(clg_args *a, clg_block *b) { clg_args_next(a, 0)->u.block = b; }
static inline void clg_args_u32(clg_args *a, uint32_t v) { clg_args_next(a, 4)->u.u32 = v; }
static inline void clg_args_i32(clg_args *a, int32_t v) { clg_args_next(a, 4)->u.i32 = v; }
static inline void clg_args_f32(clg_args *a, float v) { clg_args_next(a, 4)->u.f32 = v; }
static inline void clg_args_u64(clg_args *a, uint64_t v) { clg_args_next(a, 8)->u.u64 = v; }
void clg_args_f32x2(clg_args *a, const float v[2]);
void clg_args_packed(clg_args *a, const void *bytes);                 /* the 32 of an uint8 */
void clg_args_v8(clg_args *a, const int32_t *v, int n, int32_t rest); /* n entries of v, the others `rest` */
void clg_args_sizes(clg_args *a, const int64_t *v, int n);            /* an uint each */
/* A block and an offset, an uint, since no storage has more elements. `spare` stands for one that is absent and that
 * the kernel will not touch. */
void clg_args_at(clg_args *a, clg_at at, clg_at spare);

/* Enqueues `global` items (rounded up to `local`; kernels check bounds) of a 3-dimensional range. A zero in `global`
 * launches nothing. `local` NULL: {64,1,1}, or less where the device or the built kernel allows less (never call with
 * NULL for kernels that use WG). Counts a launch also in a plan.
 * A list of another length than the kernel's is refused. */
clg_status clg_launch(clg_context *ctx, clg_kernel *k, const char *op, const clg_args *args, const size_t global[3],
                      const size_t local[3]);
/* The same for kernels that use WG: so many work-groups of it. */
clg_status clg_launch_groups(clg_context *ctx, clg_kernel *k, const char *op, const clg_args *args,
                             const size_t groups[3]);
/* For a kernel over n elements: an item for each, or on a CPU a work-group of WG for `piece` of them. */
clg_status clg_launch_pieces(clg_context *ctx, clg_kernel *k, const char *op, const clg_args *args, int64_t n,
                             int64_t piece);

#endif
