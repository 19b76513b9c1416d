/* What the files of this room add to a saver besides tensors. */
#ifndef CLG_IO_SAVER_H
#define CLG_IO_SAVER_H

#include "io/header.h"
#include <clgrad/io.h>

clg_context *clg_saver_context(const clg_saver *s);
/* A zero-dimensional number of 8 bytes, F64 or I64; `bits` are its bits. */
clg_status clg_saver_add_number(clg_saver *s, const char *name, clg_file_type type, uint64_t bits);
/* Unless `status` is CLG_OK makes commit fail: for errors before anything is added. Returns status. */
clg_status clg_saver_fail(clg_saver *s, clg_status status);

#endif
