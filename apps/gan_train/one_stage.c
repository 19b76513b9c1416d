/* One factor an item. */
#include "one_stage.h"
#include <stdio.h>

clg_status one_stage_scale(clg_tensor *gradient, clg_tensor *out, const char *ratio) {
  char formula[80];
  int64_t shape[4] = {clg_tensor_dim(out, 0), 1, 1, 1}; /* to broadcast over images too */
  const clg_map_input s = {"s", clg_reshape(out, clg_tensor_ndim(gradient), shape), 0};
  snprintf(formula, sizeof formula, "x*(%s)", ratio);
  return clg_map_(gradient, formula, &s, 1);
}
