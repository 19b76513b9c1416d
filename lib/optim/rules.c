/* The optimizers' formulas, as PyTorch 1.13 defines them, and their compilation to one kernel each. */
#include "optim/rules.h"
#include <float.h>
#include <math.h>

/* The gradient with weight decay added; without decay it is exactly g. */
#define DECAYED_GRAD "(wd == 0 ? g : g + wd*w)"
/* Its square by the weight c2, which keeps it in range for longer, as PyTorch does. */
#define SQUARE "c2*" DECAYED_GRAD "*" DECAYED_GRAD
/* Of a constant gradient the difference is 0, or what rounding made of it; of one whose square is infinite it is that,
 * not a difference of two. */
#define RMS_CENTRED "(sqrt(A < 3.4e38 ? max(A - B*B, 0) : A) + eps)"

enum {
  SGD,
  SGD_MOMENTUM,
  SGD_NESTEROV,
  ADAM,
  ADAM_AMSGRAD,
  ADAMW,
  ADAMW_AMSGRAD,
  RMS,
  RMS_MOMENTUM,
  RMS_C,
  RMS_C_MOMENTUM
};
static const clg_rule rules[] = {
    [SGD] = {"sgd", 0, {0}, "w - size*" DECAYED_GRAD},
    [SGD_MOMENTUM] = {"sgd", 1, {"first > 0 ? " DECAYED_GRAD " : mu*a + damp*" DECAYED_GRAD}, "w - size*A"},
    [SGD_NESTEROV] = {"sgd",
                      1,
                      {"first > 0 ? " DECAYED_GRAD " : mu*a + damp*" DECAYED_GRAD},
                      "w - size*(" DECAYED_GRAD " + mu*A)"},
    [ADAM] = {"adam", 2, {"b1*a + c1*" DECAYED_GRAD, "b2*b + " SQUARE}, "w - size*(A/(sqrt(B)/root + eps))"},
    [ADAM_AMSGRAD] = {"adam",
                      3,
                      {"b1*a + c1*" DECAYED_GRAD, "b2*b + " SQUARE, "max(c, B)"},
                      "w - size*(A/(sqrt(C)/root + eps))"},
    [ADAMW] = {"adamw", 2, {"b1*a + c1*g", "b2*b + c2*g*g"}, "decay*w - size*(A/(sqrt(B)/root + eps))"},
    [ADAMW_AMSGRAD] = {"adamw",
                       3,
                       {"b1*a + c1*g", "b2*b + c2*g*g", "max(c, B)"},
                       "decay*w - size*(A/(sqrt(C)/root + eps))"},
    [RMS] = {"rmsprop", 1, {"b2*a + " SQUARE}, "w - size*(" DECAYED_GRAD "/(sqrt(A) + eps))"},
    [RMS_MOMENTUM] = {"rmsprop", 2, {"b2*a + " SQUARE, "mu*b + " DECAYED_GRAD "/(sqrt(A) + eps)"}, "w - size*B"},
    [RMS_C] = {"rmsprop",
               2,
               {"b2*a + " SQUARE, "b2*b + c2*" DECAYED_GRAD},
               "w - size*(" DECAYED_GRAD "/" RMS_CENTRED ")"},
    [RMS_C_MOMENTUM] = {"rmsprop",
                        3,
                        {"b2*a + " SQUARE, "b2*b + c2*" DECAYED_GRAD, "mu*c + " DECAYED_GRAD "/" RMS_CENTRED},
                        "w - size*C"},
};

const clg_rule *clg_rule_of(const clg_optim_options *o) {
  bool momentum = o->momentum != 0;
  switch (o->kind) {
  case CLG_SGD:
    if (!momentum) return &rules[SGD];
    return &rules[o->nesterov ? SGD_NESTEROV : SGD_MOMENTUM];
  case CLG_ADAM: return &rules[o->amsgrad ? ADAM_AMSGRAD : ADAM];
  case CLG_ADAMW: return &rules[o->amsgrad ? ADAMW_AMSGRAD : ADAMW];
  default:
    if (o->centered) return &rules[momentum ? RMS_C_MOMENTUM : RMS_C];
    return &rules[momentum ? RMS_MOMENTUM : RMS];
  }
}

const char *clg_rule_state_name(const clg_rule *rule, int k) {
  static const char *const adam[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  static const char *const rms[] = {"square_avg", "momentum_buffer"};
  static const char *const centred[] = {"square_avg", "grad_avg", "momentum_buffer"};
  size_t row = (size_t)(rule - rules);
  if (row <= SGD_NESTEROV) return "momentum_buffer";
  if (row <= ADAMW_AMSGRAD) return adam[k];
  return row <= RMS_MOMENTUM ? rms[k] : centred[k];
}

/* Worked out in double from the options, as PyTorch does from Python's numbers. */
void clg_rule_numbers(const clg_optim_options *o, uint64_t t, float out[CLG_NUMBERS]) {
  bool adam = o->kind == CLG_ADAM || o->kind == CLG_ADAMW;
  double b1 = o->beta1, b2 = adam ? o->beta2 : o->alpha, bias1 = 1, bias2 = 1;
  if (adam) {
    bias1 = 1 - pow(b1, (double)t);
    bias2 = 1 - pow(b2, (double)t);
  }
  out[CLG_N_SIZE] = (float)(o->lr / bias1);
  out[CLG_N_WD] = (float)o->weight_decay;
  out[CLG_N_MU] = (float)o->momentum;
  out[CLG_N_DAMP] = (float)(1 - o->dampening);
  out[CLG_N_FIRST] = t == 1;
  out[CLG_N_B1] = (float)b1;
  out[CLG_N_C1] = (float)(1 - b1);
  out[CLG_N_B2] = (float)b2;
  out[CLG_N_C2] = (float)(1 - b2);
  out[CLG_N_DECAY] = (float)(1 - o->lr * o->weight_decay);
  out[CLG_N_ROOT] = (float)sqrt(bias2);
  out[CLG_N_EPS] = o->eps > 0 ? fmaxf((float)o->eps, FLT_MIN) : 0; /* what keeps 0/0 away stays above 0 */
}

clg_map_fn *clg_rule_compile(clg_context *ctx, const clg_rule *rule) {
  static const char *const in[] = {"w", "g", "a", "b", "c"};
  static const char *const number[] = {"size", "wd", "mu", "damp",  "first", "b1",
                                       "c1",   "b2", "c2", "decay", "root",  "eps"};
  static const char *const fresh[] = {"A", "B", "C"};
  const char *names[5 + CLG_NUMBERS + CLG_RULE_STATES];
  size_t n = 0;
  for (int i = 0; i < 5; i++) names[n++] = in[i];
  for (int i = 0; i < CLG_NUMBERS; i++) names[n++] = number[i];
  for (int i = 0; i < CLG_RULE_STATES; i++) names[n++] = fresh[i];
  clg_arena *arena = clg_arena_of(ctx);
  if (!arena) return NULL;
  clg_expr out[1 + CLG_RULE_STATES];
  clg_parse_error error;
  for (int i = 0; i <= rule->n_states; i++) { /* states first: the weight's formula names them */
    bool last = i == rule->n_states;
    clg_expr e = clg_expr_parse(arena, last ? rule->weight : rule->state[i], names, n, &error);
    for (int k = 0; k < i; k++) e = clg_expr_replace(arena, e, clg_expr_var(arena, fresh[k]), out[1 + k]);
    if (!e) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, rule->name, "out of host memory");
    out[last ? 0 : 1 + i] = e;
  }
  return clg_map_create(ctx, rule->name, out, 1 + rule->n_states, in, 2 + rule->n_states, number, CLG_NUMBERS);
}
