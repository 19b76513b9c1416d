/* Where the device's memory went: every byte has a role, a phase and the op that made it.
 *
 * live      bytes requested by allocations that exist now
 * reserved  bytes of all cl_mem that the context holds, cached and staging ones included
 * saved     bytes of distinct storages that the graph holds for backward, without parameters, images, noise, labels */
#ifndef CLGRAD_MEMORY_H
#define CLGRAD_MEMORY_H

#include <clgrad/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clg_role {
  CLG_ROLE_PARAMETER, /* of modules, and whatever else an optimizer has; also data that requires grad */
  CLG_ROLE_GRADIENT,
  CLG_ROLE_OPTIMIZER,
  CLG_ROLE_SAVED, /* an activation, while the graph holds it */
  CLG_ROLE_ACTIVATION,
  CLG_ROLE_WORKSPACE,
  CLG_ROLE_DATA, /* images, noise, labels: whatever the program made itself */
  CLG_ROLE_COUNT
} clg_role;
CLG_API const char *clg_role_name(clg_role role);

typedef struct clg_memory_stats {
  uint64_t live, reserved, saved;                /* now */
  uint64_t peak_live, peak_reserved, peak_saved; /* each its own maximum since the last reset */
  uint64_t live_by_role[CLG_ROLE_COUNT];
  uint64_t peak_by_role[CLG_ROLE_COUNT]; /* at the instant of the live peak; sums to peak_live */
} clg_memory_stats;
CLG_API clg_memory_stats clg_memory(const clg_context *ctx);

/* Starts the peaks anew from what is live now. `reserved` keeps its peak: it is the context's since it was made. */
CLG_API void clg_memory_reset_peak(clg_context *ctx);

/* One allocation. Names are borrowed from the context and valid until it goes. */
typedef struct clg_memory_row {
  uint64_t bytes;
  clg_role role;
  const char *op, *phase; /* that made it; "" when none */
} clg_memory_row;

/* What was alive at the live peak, largest first. Writes at most `max` rows, returns how many there are. */
CLG_API size_t clg_memory_at_peak(const clg_context *ctx, clg_memory_row *rows, size_t max);

/* Per phase, in the order first seen: bytes when the phase was last left (or now), and the peak within it. */
typedef struct clg_phase_row {
  const char *name;
  uint64_t live, saved, peak_live;
} clg_phase_row;
CLG_API size_t clg_memory_phases(const clg_context *ctx, clg_phase_row *rows, size_t max);

/* ---- a record of allocations and releases ---- */

typedef enum clg_memory_kind {
  CLG_MEMORY_HELD,    /* exists when the record starts */
  CLG_MEMORY_ALLOC,   /* is made */
  CLG_MEMORY_RELEASE, /* goes: to the pool, which may give the buffer to the next allocation */
  CLG_MEMORY_ROLE     /* changes its role: an activation is saved, or no longer; a tensor becomes a parameter */
} clg_memory_kind;
CLG_API const char *clg_memory_kind_name(clg_memory_kind kind); /* "release" */

/* The call of the program that makes an event. The outermost one counts, so what an op releases within a backward is
 * the backward's. */
typedef enum clg_by {
  CLG_BY_OTHER,     /* an unref, of a tensor or of what held it, or a call that is none of these */
  CLG_BY_OP,        /* name: the op's */
  CLG_BY_SCOPE,     /* a scope's close; layer: the one that had the scope, "" for a scope of the program's */
  CLG_BY_BACKWARD,  /* name: the op whose node runs, layer: where that was recorded; "backward" between nodes */
  CLG_BY_OPTIMIZER, /* a step, clipping, an average; name: "adam", "clip_grad_norm", "ema" */
  CLG_BY_ZERO_GRAD, /* of a tensor, module or optimizer */
  CLG_BY_CONTEXT    /* the end of the context */
} clg_by;
CLG_API const char *clg_by_name(clg_by by); /* "scope" */

/* What happens to one allocation. An allocation is a tensor's storage; or all parameters or all gradients of a module,
 * which lie in one; or workspace. */
typedef struct clg_memory_event {
  clg_memory_kind kind;
  uint64_t id;    /* of the allocation, the same in all of its events; ascends in the order of allocations */
  uint64_t bytes; /* as requested */
  clg_role role;  /* that it has after the event, and as it goes */
  clg_role was;   /* before it: another one in CLG_MEMORY_ROLE alone */
  uint64_t live;  /* bytes after the event: the sum of what events gave and took, over all roles */

  /* What made the allocation, and where. */
  const char *op, *layer, *made_in; /* layer as in nn.h, and phase; "" when none */
  clg_dtype dtype;
  int ndim;             /* of the tensor that it was made for; -1: of none (workspace) */
  const int64_t *shape; /* valid during the call */

  /* What makes the event, and when. */
  clg_by by;
  const char *by_name, *by_layer; /* "" when none */
  const char *phase;
} clg_memory_event;

/* Called for each allocation that exists (CLG_MEMORY_HELD, the oldest first), then at each event until another function
 * or NULL is set. So the sum of bytes by role is clg_memory().live_by_role after every event, and peak_by_role at the
 * peak. The context is at work: of it the callback may ask clg_memory() and the like, and change nothing. A plan makes
 * the events of the device that it stands for, the same in the same order. Names are borrowed from the context and
 * valid until it goes. */
typedef void (*clg_memory_fn)(void *user, const clg_memory_event *event);
CLG_API void clg_memory_trace(clg_context *ctx, clg_memory_fn fn, void *user);

/* Gives cached buffers back to the driver. Waits for the device. */
CLG_API clg_status clg_memory_trim(clg_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
