/* A formula as a function: NAME_of(tensors.., numbers..). */
#include "kernel/kernel.h"
#include "kernel/sources.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMENT 1000 /* characters of a formula; what is longer says nothing to a reader */

static void comment(const clg_kernel_formula *f, int i, clg_layout *l) {
  clg_str text = {0}, formula = {0};
  clg_expr_print(f->arena, f->out[i], &formula);
  if (f->n_out > 1) clg_str_addf(&text, "%s, out%d: ", f->name, i);
  if (f->n_out == 1) clg_str_addf(&text, "%s: ", f->name);
  if (formula.data) clg_str_addf(&text, "%.*s", COMMENT, formula.data);
  if (formula.len > COMMENT) clg_str_add(&text, " ...");
  l->out->failed |= text.failed || formula.failed;
  if (!l->out->failed) clg_layout_comment(l, text.data);
  clg_str_free(&text), clg_str_free(&formula);
}

static void parameters(const clg_kernel_formula *f, clg_str *s) {
  const char *type = f->ints ? "int" : "float", *comma = "";
  for (int i = 0; i < f->n_in; i++, comma = ", ") clg_str_addf(s, "%sconst %s %s", comma, type, f->in[i]);
  for (int i = 0; i < f->n_number; i++, comma = ", ") clg_str_addf(s, "%sconst float %s", comma, f->number[i]);
  for (int i = 0; f->n_out > 1 && i < f->n_out; i++, comma = ", ") clg_str_addf(s, "%sfloat *out%d", comma, i);
}

bool clg_kernel_is_plain(const clg_kernel_formula *f) {
  bool plain = true;
  for (int i = 0; i < f->n_out; i++) {
    clg_expr_op op = clg_expr_op_of(f->arena, f->out[i]);
    plain = plain && (op == CLG_EX_VAR || op == CLG_EX_CONST || op == CLG_EX_ABSENT);
  }
  return plain && f->n_out == 1;
}

/* "return t3;" behind "const float t3 = a + b;" is "return a + b;": what stands behind the "=", else NULL. */
static const char *returned(const char *statement, const char *next) {
  const char *end = strstr(statement, " = "), *name = end;
  while (name && name > statement && name[-1] != ' ') name--;
  size_t n = name ? (size_t)(end - name) : 0;
  bool returns = next && n && !strncmp(next, "return ", 7) && !strncmp(next + 7, name, n) && !strcmp(next + 7 + n, ";");
  return returns && strncmp(statement, "const int", 9) ? end + 3 : NULL;
}

void clg_layout_statements(clg_layout *l, clg_str *s) {
  l->out->failed |= s->failed;
  char *rest = NULL, *line = s->data ? strtok_r(s->data, "\n", &rest) : NULL;
  while (line && !l->out->failed) {
    char *next = strtok_r(NULL, "\n", &rest);
    const char *last = returned(line, next);
    if (last) {
      clg_str whole = {0};
      clg_str_addf(&whole, "return %s", last);
      l->out->failed |= whole.failed;
      if (!whole.failed) clg_layout_line(l, whole.data);
      clg_str_free(&whole);
      return;
    }
    clg_layout_line(l, line);
    line = next;
  }
}

/* The source of the function that an op of the formula calls, if it has one. */
static const clg_source *function(const clg_kernel_formula *f, clg_expr_op op) {
  const char *call = clg_expr_call(op);
  if (!call || strncmp(call, "clg_", 4)) return NULL;
  bool has = false;
  for (int i = 0; i < f->n_out; i++) has = has || clg_expr_has(f->arena, f->out[i], op);
  char name[40];
  snprintf(name, sizeof name, "%s.clm", call + 4);
  return has ? clg_source_find(name) : NULL;
}

static void functions(const clg_kernel_formula *f, clg_str *out) {
  for (clg_expr_op op = 0; op <= CLG_EX_ABSENT; op++) {
    const clg_source *s = function(f, op);
    if (s) clg_str_add(out, s->text);
  }
}

bool clg_kernel_calls(const clg_kernel_formula *f) {
  bool calls = false;
  for (clg_expr_op op = 0; op <= CLG_EX_ABSENT; op++) calls = calls || function(f, op);
  return calls;
}

bool clg_kernel_branches(const clg_kernel_formula *f) {
  bool has = false;
  for (int i = 0; i < f->n_out; i++)
    has = has || clg_expr_has(f->arena, f->out[i], CLG_EX_SIN) || clg_expr_has(f->arena, f->out[i], CLG_EX_COS);
  return has;
}

void clg_kernel_write_function(const clg_kernel_formula *f, clg_str *out) {
  static const char *const many[] = {"*out0 = ", "*out1 = ", "*out2 = ", "*out3 = ",
                                     "*out4 = ", "*out5 = ", "*out6 = ", "*out7 = "},
                           *const one[] = {"return "};
  clg_layout l = {.out = out};
  clg_str head = {0}, body = {0};
  functions(f, out);
  for (int i = 0; i < f->n_out; i++) comment(f, i, &l);
  clg_str_addf(&head, "CLG_INLINE %s %s_of(", f->n_out > 1 ? "void" : "float", f->name);
  parameters(f, &head);
  clg_str_add(&head, ") {");
  out->failed |= head.failed;
  if (!out->failed) clg_layout_line(&l, head.data);
  clg_expr_emit(f->arena, f->out, f->n_out > 1 ? many : one, (size_t)f->n_out, "t", &body);
  clg_layout_statements(&l, &body);
  clg_layout_line(&l, "}");
  clg_str_free(&head), clg_str_free(&body);
}

void clg_kernel_write_value(const clg_kernel_formula *f, clg_str *out) {
  if (!clg_kernel_is_plain(f)) {
    clg_kernel_write_function(f, out);
    return;
  }
  clg_layout l = {.out = out};
  comment(f, 0, &l);
}
