/* Waiting for the device. Without an idle callback the driver's own wait; with one, looks whether the device is done
 * and calls it in between. Private to the device room. */
#ifndef CLG_DEVICE_WAIT_H
#define CLG_DEVICE_WAIT_H

#include "device/queue.h"

/* Until all that was queued is done; what clFinish says. */
cl_int clg_wait_all(clg_context *ctx);
/* Until this command is; what clWaitForEvents says. */
cl_int clg_wait_event(clg_context *ctx, cl_event e);
/* Whether the command is done, or failed. Waits for it where the driver does not say. */
bool clg_event_is_over(cl_event e);
/* A marker behind all that was queued, sent to the device. The caller's to release. */
cl_int clg_mark_queue(clg_queue *q, cl_event *e);

#endif
