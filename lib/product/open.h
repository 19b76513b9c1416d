/* Products in the life of a context: how a device or a plan of one runs them. */
#ifndef CLG_PRODUCT_OPEN_H
#define CLG_PRODUCT_OPEN_H

#include "product/state.h"

/* What a plan must know of a device's products. */
typedef struct clg_product_model {
  bool no_clblast; /* gemm says nothing */
  clg_gemm_profile gemm;
} clg_product_model;

/* A model of devices that CLBlast was not tuned on. */
clg_product_model clg_product_model_default(void);
/* What the context's device does. False: CLBlast's workspaces on it follow no formula that we know, and `out` is the
 * default. */
bool clg_product_model_of(clg_context *ctx, clg_product_model *out);

/* Makes the state of a context whose device is open, with the table that $CLGRAD_TUNING names. Errors are raised on
 * the context, which then can only be released. */
clg_status clg_product_open(clg_context *ctx);
/* The same of a plan, with the table of `like` if that is given. */
clg_status clg_product_open_plan(clg_context *ctx, const clg_product_model *model, const clg_context *like);

#endif
