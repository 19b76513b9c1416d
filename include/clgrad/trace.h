/* A trace of one context, for looking at in a viewer such as Perfetto: phases, calls and waits of the host, kernels on
 * the device, and memory by role, in Chrome's trace event format (JSON).
 *
 * $CLGRAD_TRACE names a file for any program: each context on a device then records kernel times
 * (clg_context_options.profile) and writes a trace from its first call to its end, the process's first to that file,
 * the following to FILE.2, FILE.3 and so on. A file that cannot be written is one line through the context's log. */
#ifndef CLGRAD_TRACE_H
#define CLGRAD_TRACE_H

#include <clgrad/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Starts a trace, which ends with clg_trace_stop or the context's last reference. The file is written as the trace
 * goes, under the name FILE.tmp, in memory that does not grow, and takes its place when it ends, as those of io.h do.
 * Waits for the device. CLG_ERR_STATE when a trace is being written, CLG_ERR_IO when it cannot be.
 *
 * Kernels are in it if the context records their times (clg_profiles), with the moments when they were queued,
 * submitted, begun and ended. The device's clock is another than the host's: its times are placed between two markers
 * that the host waited for, one at each wait, and the file says by how much they may be off (otherData). Tracing makes
 * every wait a little longer. */
CLG_API clg_status clg_trace_start(clg_context *ctx, const char *path);
/* Ends it. Waits for the device. CLG_ERR_IO if the file could not be written, also earlier on: the context, which went
 * on as without, had one line in its log then. CLG_OK where there is no trace. */
CLG_API clg_status clg_trace_stop(clg_context *ctx);
CLG_API bool clg_tracing(const clg_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
