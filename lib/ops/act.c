/* Activations as a program gives them: an op over one tensor by its name, or a formula of x whose other names are its
 * numbers. */
#include "ops/fused_act.h"
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define DIGITS  "0123456789"

static bool is_letter(char c) { return c && strchr(LETTERS, c); }

/* A row that is a part of the op it is named after. */
static bool is_part(clg_row_id id) {
  static const clg_row_id parts[] = {CLG_ROW_SUM, CLG_ROW_MEAN, CLG_ROW_MAGNITUDE, CLG_ROW_POWER_OF_ABS};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (parts[i] == id) return true;
  return false;
}

static clg_formula *named(clg_context *ctx, const clg_act *act, const char *op) {
  clg_row_id id = 0;
  while (id < CLG_ROWS && (clg_rows[id].in[1] || strcmp(clg_rows[id].name, act->formula) || is_part(id))) id++;
  if (id == CLG_ROWS)
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, op, "there is no activation \"%.60s\"", act->formula);
  /* A slope that loses the sign needs the value before it. */
  if (id == CLG_ROW_LEAKY_RELU && !(act->numbers[0] > 0)) id = CLG_ROW_LEAKY_RELU_ANY;
  return clg_formula_row(ctx, id);
}

enum { NAME_SIZE = 64 };
typedef struct number_names {
  char text[CLG_EPILOGUE_NUMBERS][NAME_SIZE];
  const char *name[CLG_EPILOGUE_NUMBERS];
  int n;
} number_names;

/* False: they are too many. One that is too long is left to the parser, which does not know it. */
static bool add_name(number_names *all, const char *at, size_t length) {
  if (length >= NAME_SIZE || (length == 1 && *at == 'x')) return true;
  for (int i = 0; i < all->n; i++)
    if (!strncmp(all->name[i], at, length) && !all->name[i][length]) return true;
  if (all->n == CLG_EPILOGUE_NUMBERS) return false;
  memcpy(all->text[all->n], at, length);
  all->text[all->n][length] = 0;
  all->name[all->n] = all->text[all->n];
  all->n++;
  return true;
}

/* A formula's names that no bracket follows, in the order in which they first appear. */
static bool find_names(const char *text, number_names *all) {
  for (const char *at = text; *at;) {
    size_t length = strspn(at, LETTERS DIGITS ".");
    const char *behind = at + length + strspn(at + length, " ");
    if (is_letter(*at) && *behind != '(' && !add_name(all, at, length)) return false;
    at += length ? length : 1;
  }
  return true;
}

static clg_formula *written(clg_context *ctx, const char *text, const char *op) {
  number_names all = {.n = 0};
  if (!find_names(text, &all))
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, op, "\"%.100s\": an activation has x and at most %d numbers", text,
                           CLG_EPILOGUE_NUMBERS);
  return clg_formula_user(ctx, text, (const char *const[]){"x"}, 1, all.name, all.n, op);
}

bool clg_act_find(clg_context *ctx, const clg_act *act, const char *op, clg_fused_act *out) {
  *out = (clg_fused_act){NULL, {act->numbers[0], act->numbers[1]}};
  const char *text = act->formula;
  if (!text) return true;
  bool is_name = is_letter(*text) && strcmp(text, "x") && !text[strspn(text, LETTERS DIGITS)];
  out->formula = is_name ? named(ctx, act, op) : written(ctx, text, op);
  return out->formula != NULL;
}

clg_tensor *clg_activate(clg_tensor *x, clg_act act) {
  clg_fused_act found;
  if (!x) return clg_null_object(NULL, "activate");
  if (!clg_act_find(x->ctx, &act, "activate", &found)) return NULL;
  return found.formula ? clg_formula_apply(found.formula, &x, found.numbers, 0, false) : clg_result(clg_tensor_ref(x));
}
