/* The OpenCL sources of kernels_cl/, embedded by the build (kernels_cl/embed.py writes the array). */
#ifndef CLG_DEVICE_SOURCES_H
#define CLG_DEVICE_SOURCES_H

#include <stddef.h>

typedef struct clg_source {
  const char *name; /* "map.cl" */
  const char *text; /* `size` bytes, starting with a #line directive */
  size_t size;
} clg_source;
extern const clg_source clg_sources_cl[];
extern const size_t clg_sources_cl_count;

#endif
