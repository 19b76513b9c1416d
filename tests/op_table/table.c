/* The table as a whole, and what definitions share. */
#include "op_table.h"
#include <stdio.h>
#include <string.h>

static const op_list *const lists[] = {&elementwise_cases, &reduction_cases, &product_cases, &norm_cases,
                                       &image_cases,       &index_cases,     &shape_cases,   &loss_cases,
                                       &maker_cases,       &composed_cases};
enum { LISTS = sizeof lists / sizeof *lists };

size_t op_case_count(void) {
  size_t n = 0;
  for (int i = 0; i < LISTS; i++) n += lists[i]->n;
  return n;
}

const op_case *op_case_at(size_t i) {
  for (int k = 0; k < LISTS; k++) {
    if (i < lists[k]->n) return &lists[k]->cases[i];
    i -= lists[k]->n;
  }
  return NULL;
}

const op *op_named(const char *name) {
  for (size_t i = 0; i < op_case_count(); i++)
    if (!strcmp(op_case_at(i)->op->name, name)) return op_case_at(i)->op;
  return NULL;
}

int op_inputs(const op_case *c) {
  int n = OP_INPUTS;
  while (n && !c->in[n - 1].present) n--;
  return n;
}

void op_title(const op_case *c, char out[static 120]) {
  snprintf(out, 120, "%s%s%s", c->op->name, c->what ? " " : "", c->what ? c->what : "");
}

double array_broadcast(const op_array *x, int ndim, const int64_t *index) {
  int64_t at = 0;
  for (int d = 0; d < x->ndim; d++) at = at * x->dim[d] + (x->dim[d] == 1 ? 0 : index[ndim - x->ndim + d]);
  return x->v[at];
}

static void define_each(const op *o, const op_attrs *a, const op_array *in, op_array *y) {
  y->ndim = 0;
  for (int i = 0; i < OP_INPUTS; i++)
    if (in[i].ndim > y->ndim) y->ndim = in[i].ndim;
  for (int d = 0; d < y->ndim; d++) {
    y->dim[d] = 1;
    for (int i = 0; i < OP_INPUTS; i++) {
      int at = d - y->ndim + in[i].ndim;
      if (at >= 0 && in[i].dim[at] != 1) y->dim[d] = in[i].dim[at];
    }
  }
  int64_t index[OP_DIMS];
  for (int64_t k = 0; k < array_count(y); k++) {
    double x[OP_INPUTS] = {0};
    array_unravel(y, k, index);
    for (int i = 0; i < OP_INPUTS; i++)
      if (in[i].ndim >= 0) x[i] = array_broadcast(&in[i], y->ndim, index);
    y->v[k] = o->each(a, x);
  }
}

/* The elements that go into one of the result, in order. */
static void define_over(const op *o, const op_attrs *a, const op_array *x, op_array *y) {
  bool joined[OP_DIMS] = {false};
  for (int d = 0; d < x->ndim; d++) joined[d] = !a->dims;
  for (int k = 0; k < a->dims; k++) joined[(a->dim[k] + x->ndim) % x->ndim] = true;
  op_array kept = *x;
  for (int d = 0; d < x->ndim; d++) kept.dim[d] = joined[d] ? 1 : x->dim[d];
  for (int64_t k = 0; k < array_count(&kept); k++) {
    double part[OP_MOST];
    int n = 0;
    int64_t to[OP_DIMS], index[OP_DIMS];
    array_unravel(&kept, k, to);
    for (int64_t i = 0; i < array_count(x); i++) {
      bool mine = true;
      array_unravel(x, i, index);
      for (int d = 0; d < x->ndim; d++) mine = mine && (joined[d] || index[d] == to[d]);
      if (mine) part[n++] = x->v[i];
    }
    y->v[k] = o->over(a, part, n);
  }
  y->ndim = 0;
  for (int d = 0; d < x->ndim; d++)
    if (!joined[d] || a->keepdim) y->dim[y->ndim++] = kept.dim[d];
}

void op_define(const op *o, const op_attrs *a, const op_array *in, op_array *out) {
  for (int i = 0; i <= OP_FURTHER; i++) out[i].ndim = -1;
  if (o->each) define_each(o, a, in, &out[0]);
  if (o->over) define_over(o, a, &in[0], &out[0]);
  if (o->whole) o->whole(a, in, out);
}
