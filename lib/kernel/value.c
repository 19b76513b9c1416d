/* A formula as a function: NAME_of(tensors.., numbers..). */
#include "kernel/kernel.h"
#include <stdlib.h>
#include <string.h>

#define COMMENT 1000 /* characters of a formula; what is longer says nothing to a reader */

static void comment(const clg_kernel_formula *f, int i, clg_layout *l) {
  clg_str text = {0}, formula = {0};
  clg_expr_print(f->arena, f->out[i], &formula);
  bool whole = formula.len <= COMMENT;
  if (f->n_out > 1) clg_str_addf(&text, "%s, out%d: ", f->name, i);
  if (f->n_out == 1) clg_str_addf(&text, "%s: ", f->name);
  clg_str_addf(&text, "%.*s%s", COMMENT, formula.data ? formula.data : "", whole ? "" : " ...");
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

/* "return t3;" behind "const float t3 = a + b;" is "return a + b;". */
static bool returns(const char *statement, const char *next) {
  const char *name = statement + strlen("const float "), *end = strstr(name, " = ");
  size_t n = end ? (size_t)(end - name) : 0;
  return next && n && !strncmp(next, "return ", 7) && !strncmp(next + 7, name, n) && !strcmp(next + 7 + n, ";");
}

/* The statements, each laid out. */
static void body(const clg_kernel_formula *f, clg_layout *l) {
  static const char *const many[] = {"*out0 = ", "*out1 = ", "*out2 = ", "*out3 = "}, *const one[] = {"return "};
  clg_str s = {0};
  clg_expr_emit(f->arena, f->out, f->n_out > 1 ? many : one, (size_t)f->n_out, "t", &s);
  l->out->failed |= s.failed;
  char *rest = NULL, *line = s.data ? strtok_r(s.data, "\n", &rest) : NULL;
  while (line && !l->out->failed) {
    char *next = strtok_r(NULL, "\n", &rest);
    if (!strncmp(line, "const float ", 12) && returns(line, next)) {
      clg_str last = {0};
      clg_str_addf(&last, "return %s", strstr(line, " = ") + 3);
      l->out->failed |= last.failed;
      if (!last.failed) clg_layout_line(l, last.data);
      clg_str_free(&last);
      break;
    }
    clg_layout_line(l, line);
    line = next;
  }
  clg_str_free(&s);
}

void clg_kernel_write_value(const clg_kernel_formula *f, clg_str *out) {
  clg_layout l = {.out = out};
  for (int i = 0; i < f->n_out; i++) comment(f, i, &l);
  if (clg_kernel_is_plain(f)) return;
  clg_str head = {0};
  clg_str_addf(&head, "static inline %s %s_of(", f->n_out > 1 ? "void" : "float", f->name);
  parameters(f, &head);
  clg_str_add(&head, ") {");
  out->failed |= head.failed;
  if (!out->failed) clg_layout_line(&l, head.data);
  clg_str_free(&head);
  body(f, &l);
  clg_layout_line(&l, "}");
}
