/* Elements between tensors and files, by type. */
#ifndef CLG_IO_ELEMENTS_H
#define CLG_IO_ELEMENTS_H

#include "base/output.h"
#include "io/header.h"
#include <clgrad/tensor.h>

/* What t is in a file: CLG_FILE_F32 or CLG_FILE_I32. */
int clg_elements_type(const clg_tensor *t);
/* Appends t's elements to the file through *buffer, which grows to hold them (*room bytes) and stays the caller's. */
clg_status clg_elements_append(const clg_tensor *t, clg_output *out, void **buffer, size_t *room);
/* A new tensor of the file's elements from `at` on. */
clg_tensor *clg_elements_load(const clg_input *in, int type, int ndim, const int64_t *shape, uint64_t at);

#endif
