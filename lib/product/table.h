/* A context's table of choices, and of CLBlast's parameters. Private to this room. */
#ifndef CLG_PRODUCT_TABLE_H
#define CLG_PRODUCT_TABLE_H

#include "product/params.h"

typedef struct clg_tuning {
  char platform[128], device[128], driver[128]; /* as in the file: printable */
  clg_device_shape shape;
  uint64_t hash;
  clg_gemm_params clblast;
  clg_gemm_profile before;                                                    /* a plan's, without the table */
  uint8_t kernel[2][2][CLG_SIZE_CLASSES][CLG_SIZE_CLASSES][CLG_SIZE_CLASSES]; /* by ta, tb, m, n, k */
} clg_tuning;

/* Whether devices of that shape have the kernel. */
bool clg_tuning_serves(clg_product_kernel kernel, clg_device_shape shape);
/* An empty table of the context's device. */
void clg_tuning_begin(clg_tuning *t, const clg_context *ctx);
/* After a change: the hash, which is never 0. False: out of memory. */
bool clg_tuning_rehash(clg_tuning *t);
void clg_tuning_print(const clg_tuning *t, clg_str *to);
/* The number of the line that is wrong, and `why` where that is more than damage; 0: none. Changes the text. */
int clg_tuning_parse(char *text, clg_tuning *t, char *why, size_t size);

/* $CLGRAD_TUNING, if it is set. */
clg_status clg_tuning_load_wanted(clg_context *ctx);
/* A copy of another context's table, if it has one. */
clg_status clg_tuning_copy(clg_context *to, const clg_context *from);

#endif
