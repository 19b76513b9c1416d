/* Where the time went: launches and waits by phase, and what kernels took on the device.
 *
 * Launches and waits are always counted, in a plan too. Times come from the device's own clock and are recorded by a
 * context that was made with clg_context_options.profile, which costs time itself; they are known once the context has
 * waited for the work (clg_finish, a read). */
#ifndef CLGRAD_PROFILE_H
#define CLGRAD_PROFILE_H

#include <clgrad/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether kernel times are recorded. */
CLG_API bool clg_profiles(const clg_context *ctx);

/* A phase, in the order first seen; "" is what was done outside of any. Sums over the phases are clg_counters'. */
typedef struct clg_phase_time {
  const char *phase;
  uint64_t launches, waits;
  uint64_t nanoseconds; /* of the kernels that it launched, whenever they ran; 0 where none are recorded */
} clg_phase_time;
/* Writes at most `max` rows, returns how many there are. Names live as long as the context. */
CLG_API size_t clg_profile_phases(const clg_context *ctx, clg_phase_time *rows, size_t max);

/* A kernel in a phase, in the order first seen. */
typedef struct clg_kernel_time {
  const char *phase;
  const char *file;   /* that it is in ("random.cl"); "" for one that was written for a formula; "CLBlast" */
  const char *kernel; /* "scale"; of CLBlast a whole product, "Sgemm", with all that it launches */
  uint64_t launches, nanoseconds;
} clg_kernel_time;
CLG_API size_t clg_profile_kernels(const clg_context *ctx, clg_kernel_time *rows, size_t max);

/* Starts all of these anew, so that a warm-up counts nothing; clg_counters goes on. Waits for the device in a context
 * that records times. */
CLG_API clg_status clg_profile_reset(clg_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
