/* Activations inside of other kernels: a formula of one input, or its gradient, as functions on floats and on vectors
 * of sixteen. kernels_cl/activation.clh uses what is defined here. */
#include "kernel/kernel.h"

/* NAME_of(x.s0, numbers..) and so on for each lane. */
static void by_lanes(const clg_kernel_formula *f, clg_layout *l) {
  clg_layout_line(l, "float16 r;");
  for (const char *c = "0123456789abcdef"; *c; c++) {
    clg_str s = {0};
    clg_str_addf(&s, "r.s%c = %s_of(", *c, f->name);
    for (int i = 0; i < f->n_in; i++) clg_str_addf(&s, "%s%s.s%c", i ? ", " : "", f->in[i], *c);
    for (int i = 0; i < f->n_number; i++) clg_str_addf(&s, ", %s", f->number[i]);
    clg_str_add(&s, ");");
    l->out->failed |= s.failed;
    if (!s.failed) clg_layout_line(l, s.data);
    clg_str_free(&s);
  }
  clg_layout_line(l, "return r;");
}

/* On vectors by the same operations, or where the formula takes a condition for a number, lane by lane. */
void clg_kernel_write_lanes(const clg_kernel_formula *f, clg_str *out) {
  clg_layout written = {.out = out}, *l = &written;
  clg_str s = {0};
  clg_str_addf(&s, "CLG_INLINE float16 %s_lanes(", f->name);
  for (int i = 0; i < f->n_in; i++) clg_str_addf(&s, "%sconst float16 %s", i ? ", " : "", f->in[i]);
  for (int i = 0; i < f->n_number; i++) clg_str_addf(&s, ", const float %s", f->number[i]);
  clg_str_add(&s, ") {");
  clg_layout_line(l, "#if VW == 16");
  l->out->failed |= s.failed;
  if (!s.failed) clg_layout_line(l, s.data);
  clg_str_free(&s);
  if (clg_expr_emit_lanes(f->arena, f->out[0], "return ", "t", &s)) {
    clg_layout_statements(l, &s);
  } else {
    l->out->failed |= s.failed;
    by_lanes(f, l);
  }
  clg_str_free(&s);
  clg_layout_line(l, "}");
  clg_layout_line(l, "#endif");
}

/* MACRO(v) and MACRO_VEC(v), or with g, over the kernel's `numbers`. */
static void macros(const clg_kernel_formula *f, const char *macro, clg_str *out) {
  const char *args = f->n_in > 1 ? "v, g" : "v";
  static const char *const suffix[] = {"", "_VEC"}, *const function[] = {"of", "lanes"};
  for (int vector = 0; vector < 2; vector++) {
    clg_str_addf(out, "#define %s%s(%s) %s_%s(%s", macro, suffix[vector], args, f->name, function[vector], args);
    for (int i = 0; i < f->n_number; i++) clg_str_addf(out, ", numbers.s%d", i);
    clg_str_add(out, ")\n");
  }
}

void clg_kernel_write_epilogue(const clg_kernel_formula *f, bool gradient, clg_str *out) {
  clg_kernel_write_function(f, out);
  clg_kernel_write_lanes(f, out);
  macros(f, gradient ? "ACTIVATION_GRADIENT" : "ACTIVATION", out);
}
