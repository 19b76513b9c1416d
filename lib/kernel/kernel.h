/* Kernels as text: formulas over tensors, written as ordinary OpenCL C. Knows no device: all is text. */
#ifndef CLG_KERNEL_KERNEL_H
#define CLG_KERNEL_KERNEL_H

#include "expr/expr.h"

/* What kernels compute: results out[] over the tensors in[] and the numbers that they read, in the order of the
 * arguments. */
typedef struct clg_kernel_formula {
  const char *name; /* of the kernels; see clg_kernel_name */
  const clg_arena *arena;
  const clg_expr *out;
  const char *const *in, *const *number;
  int n_out, n_in, n_number;
  bool ints; /* elements are copied as such, since a GPU may flush them as denormal floats */
} clg_kernel_formula;

/* A name for kernels: `op` with "_" for what no identifier has, and with "_each" behind where OpenCL C has a function
 * or a word of that name. At most CLG_KERNEL_NAME characters. */
#define CLG_KERNEL_NAME 64
void clg_kernel_name(const char *op, clg_str *out);

/* Appends the formula as a comment and as a function NAME_of(in.., number..), which a plain one does without: its
 * result is a tensor or a number as it is. */
bool clg_kernel_is_plain(const clg_kernel_formula *f);
void clg_kernel_write_function(const clg_kernel_formula *f, clg_str *out); /* in any case */
void clg_kernel_write_value(const clg_kernel_formula *f, clg_str *out);
/* Whether the formula calls functions that have sources of their own: a term of it is no small matter. */
bool clg_kernel_calls(const clg_kernel_formula *f);
/* Whether the formula calls a function with a branch, which keeps loops from becoming vectors; and appends the formula
 * of one result on vectors of sixteen, NAME_lanes, behind the function. */
bool clg_kernel_branches(const clg_kernel_formula *f);
void clg_kernel_write_lanes(const clg_kernel_formula *f, clg_str *out);

/* What a kernel's template asks for by @if. */
typedef enum clg_kernel_trait {
  CLG_KERNEL_CPU = 1,   /* the device has this shape */
  CLG_KERNEL_ADD = 2,   /* results are added to what is there */
  CLG_KERNEL_UNIT = 4,  /* innermost strides are 1, or 0 */
  CLG_KERNEL_MAX = 8,   /* gathers the maximum instead of the sum */
  CLG_KERNEL_KEEP = 16, /* also stores the terms */
  CLG_KERNEL_MEAN = 32, /* divides the sum */
  CLG_KERNEL_LANES = 64 /* has NAME_lanes, for elements that lie one behind the other */
} clg_kernel_trait;

typedef struct clg_kernel_form {
  const char *file, *kernel; /* the template (a .clt of kernels_cl), the kernel's name */
  unsigned traits;
  /* Tensors whose innermost stride is 0, or -1, and those that are read as tiles, by the bits of their numbers, the
   * first input being n_out. */
  uint32_t still, back, turned;
} clg_kernel_form;

/* Appends the kernel. Templates are OpenCL C line by line, with
 *   $kernel                            the kernel's name
 *   $outputs $inputs $steps $numbers   its parameters: tensors with offsets (NAME, NAME_at), strides (NAME_step)
 *   $ranges $keep $sizes $by           and a reduction's: strides (NAME_step, NAME_along), where terms go, the divisor
 *   $group0 $group1 $group2 $global0   ids of the work-group, of the item
 *   $value(i)                          the first result at position i
 *   $start $join(a, b) $take(total, rest, block) $total(total, rest)   how a reduction begins, adds and ends
 *   @element i                         statements that store all results at position i
 *   @lanes i                           a statement that stores sixteen of one result from position i on
 *   @each LINE, @in LINE               LINE for each tensor, each input; $t is its name, $type its elements' type,
 *                                      $memory that with where they lie
 *   @still LINE, @moving LINE          LINE for each input that stays the same along the innermost dimension, or not
 *   @turned LINE, @straight LINE       LINE for each input that is read as tiles, each tensor that is not
 *   @at TEXT, @back TEXT, @once TEXT   what the element of $t at $1 is; of those that run backwards, or stay the same
 *   @if TRAIT .. @else .. @end         a trait of the form; or "calls", what clg_kernel_calls says
 *   @use FILE | count | result         another template, which knows these as $count and $result
 * and are laid out by their braces. */
void clg_kernel_write(const clg_kernel_formula *f, const clg_kernel_form *form, clg_str *out);

/* Appends a formula's function and the same on vectors, NAME_lanes, for kernels that apply it to values of theirs:
 * ACTIVATION(v) and ACTIVATION_VEC(v), or for a gradient over two inputs, the second being that of the result,
 * ACTIVATION_GRADIENT(v, g) and its _VEC. At most so many numbers, the float2 `numbers` of the kernel. */
#define CLG_EPILOGUE_NUMBERS 2
void clg_kernel_write_epilogue(const clg_kernel_formula *f, bool gradient, clg_str *out);

/* Laying out: lines are indented by their braces and broken where they are long (layout.c). */
typedef struct clg_layout {
  clg_str *out;
  int depth;
} clg_layout;
void clg_layout_line(clg_layout *l, const char *line);
void clg_layout_statements(clg_layout *l, clg_str *statements); /* which it takes apart */
void clg_layout_comment(clg_layout *l, const char *text);

#endif
