/* A context: one device, one in-order queue, one memory pool, one random stream, one grad mode.
 *
 * Threads: several contexts may live in one process, each used by one thread at a time, with all that belongs to it
 * (tensors, modules, ...). Contexts may be made, listed and released in several threads at once, the process's first
 * too.
 *
 * fork: make contexts in the process that uses them, after the fork. Once a process has called OpenCL (made a context,
 * listed devices), a forked child must not: the driver's threads do not exist there, and with PoCL clg_context_create
 * waits for ever. exec, or posix_spawn, is fine. */
#ifndef CLGRAD_CONTEXT_H
#define CLGRAD_CONTEXT_H

#include <clgrad/core.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clg_context clg_context;

/* How kernels are written for a device: on a CPU one work-item owns a row or a tile, on a GPU a
 * work-group shares it. AUTO asks $CLGRAD_SHAPE ("cpu" or "gpu"), then the device's type. */
typedef enum clg_device_shape { CLG_SHAPE_AUTO, CLG_SHAPE_CPU, CLG_SHAPE_GPU } clg_device_shape;

typedef enum clg_device_type {
  CLG_DEVICE_CPU,
  CLG_DEVICE_GPU,
  CLG_DEVICE_ACCELERATOR,
  CLG_DEVICE_PLAN
} clg_device_type;

/* One OpenCL device, or a plan's null device. Strings are NUL-terminated and trimmed. */
typedef struct clg_device_info {
  int platform_index, device_index; /* "0:1" selects platform 0, device 1 */
  char platform[128], name[128], vendor[128], driver[128], version[128];
  clg_device_type type;
  clg_device_shape shape; /* CPU or GPU, never AUTO */
  bool simulator;         /* Oclgrind, software renderers: chosen only by name */
  bool usable;            /* false: `problem` says why */
  char problem[160];
  uint64_t global_bytes;    /* as the driver reports; may change from run to run */
  uint64_t max_alloc_bytes; /* largest single buffer */
  uint64_t local_bytes;     /* per work-group */
  uint32_t compute_units, clock_mhz, max_work_group, address_bits;
  uint32_t base_align_bytes; /* sub-buffer alignment */
  uint32_t native_float_width;
  bool unified_memory;
  bool fma; /* kernels multiply and add with one rounding; false, where that is a call of a function: with two */
  bool reproducible; /* its context is, as asked for */
  bool divides;      /* rounds division and square root correctly: says so, or (of a context's device) was tried; false:
                        kernels mend them */
} clg_device_info;

/* Lines for people: builds, cache misses, retries. `line` has no newline and lives during the call. */
typedef void (*clg_log_fn)(void *user, const char *line);

/* Called before a program is compiled from source, which takes from a tenth of a second to several (a first run on a
 * device compiles for half a minute, later ones take what it left in the disk cache), and with `name` NULL when that is
 * over. `done` programs are there already. How many a run needs, a plan knows that has made the same calls:
 * clg_counters.programs. */
typedef void (*clg_build_fn)(void *user, uint64_t done, const char *name);

/* `reproducible`: the same calls give the same bits on every device of a shape (docs/numerics.md says which devices do,
 * and clgrad_info of one here). Products are made by kernels of ours, not by CLBlast, and not chosen by a table; fma is
 * used wherever it is, if by a call of a function. Slower on GPUs, and on CPUs without fma. $CLGRAD_REPRODUCIBLE=on
 * asks for it too. */
typedef struct clg_context_options {
  const char *device; /* "gpu", "cpu", "0:1", or part of a platform or device name; NULL: $CLGRAD_DEVICE, then
                         the best GPU, else a CPU */
  size_t nth;         /* of several devices of one kind on one platform that this means, counted round; 0: the first */
  clg_device_shape shape;
  uint64_t seed;         /* of the random stream */
  bool profile;          /* record kernel times (slower) */
  uint64_t memory_limit; /* bytes the context may reserve; 0: what the device gives */
  bool reproducible;
  clg_log_fn log;
  void *log_user;
  char *message; /* where a failing create puts its one-line reason; may be NULL */
  size_t message_size;
  clg_build_fn build; /* NULL: none */
  void *build_user;
  /* Another context, whose device (`device` is NULL) and OpenCL context this one uses too, so that a program which one
   * of the two has built is ready for the other; all else is its own. Used during the call alone: either may go first,
   * and each may be another thread's. CLG_ERR_ARGUMENT: a plan; CLG_ERR_LOST: it is lost. NULL: none. */
  clg_context *share;
} clg_context_options;
CLG_API clg_context_options clg_context_defaults(void);

/* Lists every device of every platform, the default choice first; a broken platform is skipped and never hides the
 * others. Writes at most `max` rows and returns how many there are (0: no platform, or none with a device). */
CLG_API size_t clg_device_list(clg_device_info *rows, size_t max);

/* Opens a device. `options` may be NULL. On success *out holds one reference, on failure NULL and options->message
 * the reason with what there is to choose from. */
CLG_API clg_status clg_context_create(clg_context **out, const clg_context_options *options);

/* A context without a device: the same calls run on shapes alone and the memory books are kept to the byte, so that
 * peaks are known before a device is bought. Reads give zeros. `like`, when not NULL, lends its shape and the workspace
 * sizes that its driver asks for (borrowed during the plan's life: the plan holds a reference). `device_file`
 * names a file of clg_device_save, which is `clgrad_info --device-file`, for a device that is not here. */
typedef struct clg_plan_options {
  clg_device_shape shape; /* AUTO: $CLGRAD_SHAPE, then CPU */
  clg_context *like;
  const char *device_file;
  uint64_t seed;
  bool reproducible; /* as `like` or the environment is, if false */
  char *message;
  size_t message_size;
} clg_plan_options;
CLG_API clg_plan_options clg_plan_defaults(void);
CLG_API clg_status clg_context_create_plan(clg_context **out, const clg_plan_options *options);
/* Writes the file that `device_file` above names, for the device of `ctx`. The file is replaced in one step,
 * as those of io.h are; CLG_ERR_IO when it cannot be written. */
CLG_API clg_status clg_device_save(clg_context *ctx, const char *path);
CLG_API bool clg_context_is_plan(const clg_context *ctx);

CLG_API clg_context *clg_context_ref(clg_context *ctx);
/* Drops a reference and clears the pointer. With the last one the context ends any parameter <-> gradient cycles, and
 * once no tensor is left releases every OpenCL object; nothing is left for process exit. Where tensors are left then,
 * one line through `log` says how many are "still held", with how many bytes, and by which op in which phase they were
 * made if $CLGRAD_DEBUG is set. */
CLG_API void clg_context_unref(clg_context **ctx);

CLG_API const clg_device_info *clg_context_device(const clg_context *ctx);

/* The first error since the last clear, one line without control characters, or "" when there is none. Borrowed; valid
 * until the clear. Of NULL, which a failing create leaves, a line that says so, and CLG_ERR_ARGUMENT. */
CLG_API const char *clg_last_error(const clg_context *ctx);
CLG_API clg_status clg_last_status(const clg_context *ctx);
CLG_API void clg_clear_error(clg_context *ctx);
/* Raises an error as the library raises its own, "op: line": for callbacks, and for libraries built on this one. `op`
 * may be NULL. Returns `status`; CLG_OK is an error itself (CLG_ERR_ARGUMENT). */
CLG_API clg_status clg_raise(clg_context *ctx, clg_status status, const char *op, const char *line);

/* Waits until all queued work is done. Blocks. CLG_ERR_LOST when some of it failed. */
CLG_API clg_status clg_finish(clg_context *ctx);

/* A point in the context's queue: what was queued before it is done when the event is. So a program learns that its
 * asynchronous reads and writes are, and waits for them without waiting for what was queued later. */
typedef struct clg_event clg_event;
/* Marks the end of the queue as it is now, and sends what is queued to the device. Does not block. One reference,
 * yours; NULL on error. */
CLG_API clg_event *clg_event_record(clg_context *ctx);
CLG_API clg_event *clg_event_ref(clg_event *e);
/* Releasing an event ends no transfer: host memory that one uses stays in use until clg_finish(). */
CLG_API void clg_event_unref(clg_event **e);
/* Whether it is reached, in a plan at once. Never blocks. True also when the work failed, which clg_event_wait then
 * says, and of NULL. */
CLG_API bool clg_event_done(const clg_event *e);
/* Waits until it is reached. Blocks. CLG_ERR_LOST when work before it failed. */
CLG_API clg_status clg_event_wait(clg_event *e);

/* Host memory that the driver copies from and to fastest: asynchronous copies on a GPU run beside its kernels only from
 * and to memory of this kind. Aligned to 64 bytes, its contents undefined; counted as reserved. */
typedef struct clg_pinned clg_pinned;
CLG_API clg_pinned *clg_pinned_create(clg_context *ctx, size_t bytes); /* bytes > 0. Blocks; one wait */
CLG_API clg_pinned *clg_pinned_ref(clg_pinned *p);
/* With the last reference it goes once the device has done what is queued. Does not block. */
CLG_API void clg_pinned_unref(clg_pinned **p);
CLG_API void *clg_pinned_data(const clg_pinned *p);

/* While a call of this context waits for the device (clg_finish, clg_event_wait, a read, an op that needs memory),
 * `idle` is called again and again on the same thread, so that other work goes on: messages between processes, say.
 * NULL, as at first: the wait sleeps in the driver; else it looks whether the device is done after each call, so that
 * the callback's time is added to the wait. Not called when there is nothing to wait for, as in a plan, nor while the
 * context ends.
 *
 * The call that waits is in the midst of something. So of this context the callback may ask whether an event is done,
 * counters, errors, shapes, and set another callback; other contexts it may use freely. What it asks for beyond that is
 * CLG_ERR_STATE: memory, kernels, transfers, waits, scopes, a backward; the last reference to the context is kept, and
 * the pointer with it. What the call that waits was given it must not release. */
typedef void (*clg_idle_fn)(void *user);
CLG_API clg_status clg_set_idle(clg_context *ctx, clg_idle_fn idle, void *user);

/* Names what the program is doing ("D real forward"); memory and errors carry it. Copied. NULL: none. */
CLG_API void clg_set_phase(clg_context *ctx, const char *phase);

/* Counters since the context was made. */
typedef struct clg_counters {
  uint64_t launches;   /* kernels enqueued */
  uint64_t waits;      /* clFinish, clWaitForEvents and blocking transfers */
  uint64_t programs;   /* that were needed: compiled or loaded; in a plan, neither; CLBlast's count as one */
  uint64_t builds;     /* programs compiled from source */
  uint64_t cache_hits; /* programs loaded from the disk cache */
  uint64_t pool_hits, pool_misses; /* allocations served from the pool, and by the driver */
} clg_counters;
CLG_API clg_counters clg_context_counters(const clg_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
