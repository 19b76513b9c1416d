/* Version, status codes, element types and the export macro: what every other header needs. */
#ifndef CLGRAD_CORE_H
#define CLGRAD_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLG_VERSION_MAJOR  0
#define CLG_VERSION_MINOR  2
#define CLG_VERSION_PATCH  0
#define CLG_VERSION_STRING "0.2.0"
/* Most dimensions that a tensor may have. */
#define CLG_MAX_DIMS 8

#if defined(CLG_BUILDING) && defined(__GNUC__)
#define CLG_API __attribute__((visibility("default")))
#else
#define CLG_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What went wrong. The sentence that goes with it is clg_last_error(). */
typedef enum clg_status {
  CLG_OK = 0,
  CLG_ERR_ARGUMENT,    /* a value out of range, an unknown name, a NULL */
  CLG_ERR_SHAPE,       /* shapes that do not fit each other */
  CLG_ERR_GRAPH,       /* autograd: second backward, changed saved tensor, ... */
  CLG_ERR_STATE,       /* the right call at the wrong time */
  CLG_ERR_PARSE,       /* a formula that does not parse */
  CLG_ERR_HOST_MEMORY, /* malloc failed */
  CLG_ERR_MEMORY,      /* the device has no memory left for this */
  CLG_ERR_DEVICE,      /* no such device, or OpenCL refused a call */
  CLG_ERR_BUILD,       /* a kernel did not compile */
  CLG_ERR_IO,          /* a file that is missing, truncated or lies */
  CLG_ERR_LOST,        /* queued work failed later on: only unref is left to do */
  CLG_ERR_PEER         /* another process that this one works with gave up, or cannot be reached */
} clg_status;

/* Of a tensor's elements: float32 and int32. */
typedef enum clg_dtype { CLG_F32, CLG_I32 } clg_dtype;

/* "ok", "shape error", ... Static storage. */
CLG_API const char *clg_status_name(clg_status status);

/* The version of the library that runs, "0.2.0"; CLG_VERSION_STRING is the one compiled against. */
CLG_API const char *clg_version(void);

#ifdef __cplusplus
}
#endif
#endif
