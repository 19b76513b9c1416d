/* The handle of a context: its error line, its counts, the device room's objects, and opaque slots for the state of the
 * rooms above. How it is opened and ends is lib/context's. */
#ifndef CLG_BASE_CONTEXT_H
#define CLG_BASE_CONTEXT_H

#include "base/error.h"
#include <clgrad/context.h>
#include <clgrad/memory.h>

/* The device room's. */
typedef struct clg_pool clg_pool;         /* buffers, and the free ones */
typedef struct clg_books clg_books;       /* who holds how many bytes, and why */
typedef struct clg_programs clg_programs; /* built programs and kernels */
typedef struct clg_profile clg_profile;   /* launches, waits and times by phase */
typedef struct clg_queue clg_queue;       /* cl_context, cl_device_id, cl_command_queue; NULL in a plan */

/* State of higher rooms that lives as long as the context. */
typedef enum clg_slot_id {
  CLG_SLOT_PRODUCT,
  CLG_SLOT_RANDOM,
  CLG_SLOT_MAPS,
  CLG_SLOT_GRAPH,
  CLG_SLOT_FORMULAS,
  CLG_SLOT_COUNT
} clg_slot_id;
typedef struct clg_slot {
  void *state;
  /* Called when the last user reference goes (closing: end cycles, drop what holds tensors; state stays valid) and
   * again when the context is destroyed (free the state). */
  void (*close)(clg_context *ctx, void *state);
  void (*destroy)(clg_context *ctx, void *state);
} clg_slot;

/* An open scope: the graph room's. */
struct clg_scope {
  clg_context *ctx;
  struct clg_scope *parent;
  struct clg_tensor **own;
  size_t n, cap;
  uint64_t errors;        /* raised when it opened */
  const clg_nulls *nulls; /* of the thread that opened it, */
  uint64_t marks;         /* and how many it had seen */
};

/* What the program is having done: the outermost call that memory events name. */
typedef struct clg_work {
  clg_by by;
  const char *name; /* NULL: nothing of the kind */
} clg_work;

/* What is told while a trace is written. Spans lie within one another. */
struct clg_timed;
typedef struct clg_trace clg_trace;
typedef struct clg_tracer {
  void (*begin)(clg_context *ctx, const char *category, const char *name);
  void (*end)(clg_context *ctx);
  void (*phase)(clg_context *ctx);                                         /* it is another */
  void (*memory)(clg_context *ctx);                                        /* live bytes or their roles are others */
  uint64_t (*launch)(clg_context *ctx);                                    /* a kernel is queued; its number */
  void (*timed)(clg_context *ctx, const struct clg_timed *list, size_t n); /* the device is done with these */
} clg_tracer;

/* A text that lives as long as the context: kept.c. */
typedef struct clg_kept clg_kept;

struct clg_context {
  uint32_t users;                /* clg_context_ref */
  uint32_t held;                 /* blocks and objects above that point here: clg_context_hold */
  size_t tensors;                /* handles that exist */
  void (*end)(clg_context *ctx); /* called when nobody refers to it any more */
  clg_error error;
  const char *phase; /* its name, as the books set it; NULL: none yet */
  clg_work work;
  const char *layer; /* that runs, or whose node does; NULL: none */
  clg_kept *kept;
  const clg_tracer *tracer; /* NULL: no trace */
  clg_trace *trace;         /* its own */
  bool lost;
  clg_device_info info;
  clg_device_shape shape; /* CPU or GPU */
  clg_queue *queue;       /* NULL: a plan */
  clg_pool *pool;
  clg_books *books;
  clg_programs *programs;
  clg_profile *profile;
  bool reports_times; /* to the log, when it ends */
  clg_counters counters;
  clg_context *like; /* a plan's lender of workspace sizes */
  uint64_t seed;     /* as asked for at creation; the random room takes it from here */
  clg_log_fn log;
  void *log_user;
  clg_build_fn build;
  void *build_user;
  clg_idle_fn idle; /* while a call waits; NULL: none */
  void *idle_user;
  bool idling; /* it runs */
  clg_slot slot[CLG_SLOT_COUNT];
  struct clg_scope *scope;   /* innermost open scope: the graph room's */
  struct clg_scope unopened; /* stands for scopes within it that there was no memory for: the graph room's */
  uint32_t n_unopened;
  bool no_grad;         /* grad mode is off: the graph room's */
  clg_role result_role; /* of what ops make: activations, or in a backward gradients: the graph room's */
};

/* Objects that outlive the user's reference (tensors, modules, ...) hold the context. */
void clg_context_hold(clg_context *ctx);
void clg_context_release(clg_context *ctx);

/* Raises an error on the context: clg_error_set on ctx->error. Returns status. */
clg_status clg_fail(clg_context *ctx, clg_status status, const char *op, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same in a call that returns an object: NULL. */
void *clg_fail_object(clg_context *ctx, clg_status status, const char *op, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for functions that return whether they could. False. */
bool clg_refuse(clg_context *ctx, clg_status status, const char *op, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A call was given a NULL that it needs: an error on the context where there is one without an error yet (NULL is what
 * a call that failed returns: the first error says more), else a mark for the scope that closes. CLG_ERR_ARGUMENT. */
clg_status clg_null(clg_context *ctx, const char *op);
void *clg_null_object(clg_context *ctx, const char *op); /* NULL */
/* Whether an idle callback of the context runs, which must not do this: CLG_ERR_STATE is raised then. */
bool clg_within_idle(clg_context *ctx, const char *op);
/* The current phase's name, "" when none is set; lives as long as the context. */
const char *clg_phase(const clg_context *ctx);
/* The same of the layer. */
static inline const char *clg_layer(const clg_context *ctx) { return ctx->layer ? ctx->layer : ""; }
/* A copy of text, one for all that are equal; "" without memory. It goes with the context. */
const char *clg_keep(clg_context *ctx, const char *text);
void clg_kept_free(clg_kept *all);

/* A span of a trace. */
static inline void clg_trace_begin(clg_context *ctx, const char *category, const char *name) {
  if (ctx->tracer) ctx->tracer->begin(ctx, category, name);
}
static inline void clg_trace_end(clg_context *ctx) {
  if (ctx->tracer) ctx->tracer->end(ctx);
}

/* A call begins, unless it is part of another, and ends with what begin returned. `name` lives on. */
static inline clg_work clg_work_begin(clg_context *ctx, clg_by by, const char *name) {
  const clg_work before = ctx->work;
  if (ctx->tracer) ctx->tracer->begin(ctx, clg_by_name(by), name);
  if (!before.name) ctx->work = (clg_work){by, name};
  return before;
}
static inline void clg_work_end(clg_context *ctx, clg_work before) {
  clg_trace_end(ctx);
  ctx->work = before;
}
/* One line to the log callback, if any. */
void clg_log_line(clg_context *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
