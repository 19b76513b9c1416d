/* A device as a plan sees it. Private to this room. */
#ifndef CLG_CONTEXT_DEVICE_FILE_H
#define CLG_CONTEXT_DEVICE_FILE_H

#include "product/open.h"

typedef struct clg_device_file {
  char name[128];
  clg_device_shape shape;
  uint64_t max_alloc_bytes;
  clg_product_model products;
} clg_device_file;

/* What clg_plan_options.device_file names. */
clg_status clg_device_file_read(const char *path, clg_device_file *out, clg_error *error);

#endif
