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
 * program has that one kernel alone, which spares the driver the others; #if CLG_FORM(kernel) is for short kernels,
 * which a driver that compiles at the first launch gets all at once. NULL with the context's error when it does not
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
/* How many arguments the kernel takes; -1: unknown (a plan). */
int clg_kernel_args(const clg_kernel *k);

/* The work-group size of kernels that share work (macro WG), 1 on a CPU shape: what the device allows, */
size_t clg_wg(const clg_context *ctx);
/* and a kernel's own, which is less where the device allows that kernel less. Of NULL: the device's. */
size_t clg_kernel_group(const clg_context *ctx, const clg_kernel *k);
/* The vector width that kernels see as VW: of sums, a constant of the shape. */
unsigned clg_vector_width(const clg_context *ctx);
/* Lanes of the device's registers, 4, 8 or 16, which kernels of the CPU shape see as REGISTER_LANES: how they block,
 * never in which order they add. */
unsigned clg_register_lanes(const clg_context *ctx);

/* Kernel arguments. */
typedef struct clg_arg {
  uint32_t size; /* bytes; 0: a block */
  union {
    clg_block *block;
    uint32_t u32;
    int32_t i32;
    float f32, f32x2[2];
    int32_t v8[8]; /* int8 */
    uint64_t u64;
  } u;
} clg_arg;
static inline clg_arg clg_arg_block(clg_block *b) { return (clg_arg){0, {.block = b}}; }
static inline clg_arg clg_arg_u32(uint32_t v) { return (clg_arg){4, {.u32 = v}}; }
static inline clg_arg clg_arg_i32(int32_t v) { return (clg_arg){4, {.i32 = v}}; }
static inline clg_arg clg_arg_f32(float v) { return (clg_arg){4, {.f32 = v}}; }
static inline clg_arg clg_arg_f32x2(const float v[2]) { return (clg_arg){8, {.f32x2 = {v[0], v[1]}}}; }
static inline clg_arg clg_arg_u64(uint64_t v) { return (clg_arg){8, {.u64 = v}}; }
clg_arg clg_arg_packed(const void *bytes);                 /* the 32 of an uint8 or an ulong4 */
clg_arg clg_arg_v8(const int32_t *v, int n, int32_t rest); /* n entries of v, the others `rest` */

/* Enqueues `global` items (rounded up to `local`; kernels check bounds) of a 3-dimensional range. A zero in `global`
 * launches nothing. `local` NULL: {64,1,1}, or less where the device or the built kernel allows less (never call with
 * NULL for kernels that use WG). Counts a launch also in a plan. */
clg_status clg_launch(clg_context *ctx, clg_kernel *k, const char *op, const clg_arg *args, int n_args,
                      const size_t global[3], const size_t local[3]);
/* The same for kernels that use WG: so many work-groups of it. */
clg_status clg_launch_groups(clg_context *ctx, clg_kernel *k, const char *op, const clg_arg *args, int n_args,
                             const size_t groups[3]);

#endif
