/* Which devices there are, best first, and which one a selector means. Private to rooms up to context. */
#ifndef CLG_DEVICE_CHOOSE_H
#define CLG_DEVICE_CHOOSE_H

#include "base/error.h"
#include "device/devices.h"

/* Every device, best first; *rows is malloced, yours to free. The number of rows. */
size_t clg_find_devices(clg_found **rows);
/* Orders rows, best first. */
void clg_rank_devices(clg_found *rows, size_t n);
/* The device that `selector` means (NULL: $CLGRAD_DEVICE, else the default), and of several like it the nth. */
clg_status clg_choose_device(const char *selector, size_t nth, clg_found *out, clg_error *error);
/* CPU or GPU: as asked, else $CLGRAD_SHAPE, else `fallback`. */
clg_status clg_choose_shape(clg_device_shape asked, clg_device_shape fallback, clg_device_shape *out, clg_error *error);
/* Whether the bits are to be the same on every device: as asked, else $CLGRAD_REPRODUCIBLE. */
clg_status clg_choose_reproducible(bool asked, bool *out, clg_error *error);
/* Whether kernels of that shape use fma: $CLGRAD_FMA, else always on a GPU and where it must be reproducible, on a CPU
 * else as `fast`. Refuses what contradicts. */
clg_status clg_choose_fma(clg_device_shape shape, bool reproducible, bool fast, bool *out, clg_error *error);

#endif
