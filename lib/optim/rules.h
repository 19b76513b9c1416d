/* The optimizers' formulas: rows over a weight w, its gradient g, the state a b c of each weight, and numbers. */
#ifndef CLG_OPTIM_RULES_H
#define CLG_OPTIM_RULES_H

#include "tensor/map.h"
#include <clgrad/optim.h>

#define CLG_RULE_STATES 3

typedef struct clg_rule {
  const char *name; /* what the version books call it */
  int n_states;
  const char *state[CLG_RULE_STATES]; /* the new a, b, c; each may name those before it as A, B, C */
  const char *weight;                 /* the new w, likewise */
} clg_rule;

/* The numbers that the formulas name, in this order. */
typedef enum clg_rule_number {
  CLG_N_SIZE,
  CLG_N_WD,
  CLG_N_MU,
  CLG_N_DAMP,
  CLG_N_FIRST,
  CLG_N_B1,
  CLG_N_C1,
  CLG_N_B2,
  CLG_N_C2,
  CLG_N_DECAY,
  CLG_N_ROOT,
  CLG_N_EPS,
  CLG_NUMBERS
} clg_rule_number;

/* PyTorch's name of state k (0 to n_states - 1): "exp_avg". */
const char *clg_rule_state_name(const clg_rule *rule, int k);
const clg_rule *clg_rule_of(const clg_optim_options *o);
/* The numbers of a parameter's step number `t` (from 1). */
void clg_rule_numbers(const clg_optim_options *o, uint64_t t, float out[CLG_NUMBERS]);
/* The rule as a map: outputs w, a, b, c (those that it has), inputs w, g, a, b, c. NULL with the error set. */
clg_map_fn *clg_rule_compile(clg_context *ctx, const clg_rule *rule);

#endif
