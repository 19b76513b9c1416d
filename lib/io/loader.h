/* Inside of loaders: an open file with a checked header. */
#ifndef CLG_IO_LOADER_H
#define CLG_IO_LOADER_H

#include "io/header.h"
#include <clgrad/io.h>

struct clg_loader {
  uint32_t refs;
  clg_context *ctx;
  clg_input in;
  clg_header header;
};

/* One tensor to overwrite with an entry of the same type and shape. */
typedef struct clg_transfer {
  const clg_entry *entry;
  clg_tensor *tensor;
} clg_transfer;
/* Reads all the data, and only when that has worked writes it to the tensors. */
clg_status clg_loader_transfer(const clg_loader *l, const clg_transfer *t, size_t n);
/* An F64 or I64 number's bits. */
clg_status clg_loader_number(const clg_loader *l, const clg_entry *e, uint64_t *bits);
/* NULL if e is of t's type and shape; else what is wrong, in buf. */
#define CLG_MISFIT 512
const char *clg_loader_misfit(const clg_entry *e, const clg_tensor *t, char buf[CLG_MISFIT]);

#endif
