/* A context's table of choices, and of CLBlast's parameters. */
#ifndef CLG_DEVICE_TUNING_H
#define CLG_DEVICE_TUNING_H

#include "device/gemm_params.h"

typedef struct clg_tuning {
  char platform[128], device[128], driver[128]; /* as in the file: printable */
  clg_device_shape shape;
  uint64_t hash;
  clg_gemm_params clblast;
  clg_gemm_profile before;                                                    /* a plan's, without the table */
  uint8_t kernel[2][2][CLG_SIZE_CLASSES][CLG_SIZE_CLASSES][CLG_SIZE_CLASSES]; /* by ta, tb, m, n, k */
} clg_tuning;

/* $CLGRAD_TUNING, if it is set. */
clg_status clg_tuning_load_wanted(clg_context *ctx);
/* A copy of another context's table, if it has one. */
clg_status clg_tuning_copy(clg_context *to, const clg_context *from);

#endif
