/* Which parameters CLBlast has been given, process-wide, for each device. Private to this room. */
#ifndef CLG_PRODUCT_GIVEN_H
#define CLG_PRODUCT_GIVEN_H

#include "product/params.h"

/* Makes the context one of those that rely on the device's parameters, and says what they are. */
clg_status clg_gemm_join(clg_context *ctx, clg_gemm_params *out, const char *op);
/* Gives CLBlast the parameters, for a context that has joined, or joins by it (`joins`). Refused where that cannot be
 * had: another context relies on others, or CLBlast's own are wanted again. */
clg_status clg_gemm_give(clg_context *ctx, const clg_gemm_params *p, bool joins, const char *op);
void clg_gemm_leave(clg_context *ctx);
/* Moves whenever CLBlast is given something. */
uint32_t clg_gemm_generation(void);

#endif
