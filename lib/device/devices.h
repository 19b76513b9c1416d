/* What devices there are, as their drivers say. Private to rooms up to context. */
#ifndef CLG_DEVICE_DEVICES_H
#define CLG_DEVICE_DEVICES_H

#include "device/queue.h"

typedef struct clg_found {
  clg_device_info info;
  cl_device_id device;
  uint64_t peer_bytes; /* memory by which the best of its vendor is compared with other vendors': choose.c */
} clg_found;

/* Held by whatever may be the process's first call to a driver. */
void clg_driver_lock(void);
void clg_driver_unlock(void);

/* Every device in the drivers' order; *rows is malloced, yours to free. The number of rows. */
size_t clg_list_devices(clg_found **rows);
/* What the driver says of one device; the indices are taken as given. */
void clg_describe_device(cl_device_id device, int platform_index, int device_index, clg_device_info *info);
/* "Vendor GPU driver, Other": the platforms by name, as many as fit. *code is the driver's answer. How many there are.
 */
size_t clg_platform_names(char *to, size_t size, cl_int *code);

/* Why there is no device at all: what was found, and what is likely to be wrong. */
clg_status clg_no_device(clg_error *error);

/* Whether the device is PoCL's. */
bool clg_is_pocl(const clg_device_info *info);
/* A driver that compiles a kernel at its first launch: a program costs it the same however many kernels are in it. */
bool clg_compiles_late(const clg_context *ctx);
/* Whether `part` is somewhere in `text`, in any case. */
bool clg_text_has(const char *text, const char *part);

#endif
