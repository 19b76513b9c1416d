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

/* Called at each allocation (bytes > 0) and release (bytes < 0) of live memory, with the op that made it and the phase
 * in which it happens. NULL stops. */
typedef void (*clg_memory_fn)(void *user, int64_t bytes, clg_role role, const char *op, const char *phase,
                              uint64_t live);
CLG_API void clg_memory_trace(clg_context *ctx, clg_memory_fn fn, void *user);

/* Gives cached buffers back to the driver. Waits for the device. */
CLG_API clg_status clg_memory_trim(clg_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
