/* The OpenCL sources and templates of kernels_cl/, embedded by the build (kernels_cl/embed.py writes the array). */
#ifndef CLG_KERNEL_SOURCES_H
#define CLG_KERNEL_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct clg_source {
  const char *name; /* "matmul.cl" */
  const char *text; /* `size` bytes and a NUL; but for a template (.clt) they start with a #line directive */
  size_t size;
  bool wants; /* it has kernels under #if CLG_WANT(..) */
} clg_source;
extern const clg_source clg_sources_cl[];
extern const size_t clg_sources_cl_count;

const clg_source *clg_source_find(const char *name); /* NULL: there is none */

#endif
