/* The cases as such: elementwise ops in every form, then what the lists of rows say. */
#include "cases.h"
#include "case_rows.h"
#include <stdio.h>
#include <string.h>

const char *const bench_layouts[LAYOUTS] = {"flat", "channels", "heads", "steps"};
const char *const bench_sizes[SIZES] = {"cache", "memory", "rows"};

int64_t bench_floats(bench_size size) {
  static const int64_t floats[SIZES] = {1 << 18, 1 << 24, 1 << 20};
  return floats[size];
}

/* ---- elementwise ops ---- */

/* Those whose strided forms are timed: what models do to parts of tensors. One template writes the kernels of all. */
static bool meets_parts(const char *name) {
  static const char *const names[] = {"add", "mul", "mul_scalar", "where", "relu", "sigmoid", "tanh", "exp", "gelu"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(names[i], name)) return true;
  return false;
}

static op_shape elements(bench_layout layout, bool short_rows) {
  const int64_t last = short_rows ? 8 : 32;
  if (layout == LAYOUT_CHANNELS) return short_rows ? (op_shape)S(FILL, 8) : (op_shape)S(FILL, 32, 256);
  if (layout == LAYOUT_HEADS) return (op_shape)S(FILL, 4, 64, last);
  return layout == LAYOUT_STEPS ? (op_shape)S(FILL, 4 * last) : (op_shape)S(FILL);
}

/* The op's first row that computes something. */
static const op_case *first_of(const op *o) {
  const op_case *c = elementwise_cases.cases;
  while (c->op != o || (c->attrs.act.formula && !strcmp(c->attrs.act.formula, "none"))) c++;
  return c;
}

static bool elementwise_at(size_t *i, bench_case *out) {
  const op_list *each = &elementwise_cases;
  for (size_t k = 0; k < each->n; k++) {
    const op_case *c = &each->cases[k];
    if (!c->op->each || c != first_of(c->op)) continue;
    const bench_layout layouts = meets_parts(c->op->name) ? LAYOUTS : LAYOUT_FLAT + 1;
    for (bench_layout layout = LAYOUT_FLAT; layout < layouts; layout++) {
      for (bench_size size = SIZE_CACHE; size < (layout == LAYOUT_FLAT ? SIZE_ROWS : SIZES); size++) {
        if ((*i)--) continue;
        *out = (bench_case){
            {.op = c->op, .what = "each element", .attrs = c->attrs, .low = c->low, .high = c->high}, layout, size};
        const unsigned all = (1u << op_inputs(c)) - 1;
        for (int n = 0; n < op_inputs(c); n++) out->c.in[n] = elements(layout, size == SIZE_ROWS);
        if (!c->op->detached) out->c.grads = all & ~c->op->fixed;
        return true;
      }
    }
  }
  return false;
}

/* ---- rows ---- */

static int64_t floats_of(const op_case *c) {
  int64_t most = 0;
  for (int i = 0; i < OP_INPUTS; i++) {
    int64_t n = c->in[i].present;
    for (int d = 0; d < c->in[i].ndim; d++) n *= c->in[i].dim[d];
    most = n > most ? n : most;
  }
  return most;
}

static bool grows(const op_case *c) {
  return (c->in[0].ndim && c->in[0].dim[0] == FILL) || (!c->in[0].present && c->attrs.shape[0] == FILL);
}

/* A row comes once, or once for each size that it grows to. */
static bool row_at(const bench_row *r, size_t *i, bench_case *out) {
  const bool both = grows(&r->c) && !r->short_rows;
  if (*i > (size_t)both) {
    *i -= 1 + (size_t)both;
    return false;
  }
  *out = (bench_case){r->c, r->layout, SIZE_ROWS};
  out->c.op = op_named(r->op);
  if (both) out->size = *i ? SIZE_MEMORY : SIZE_CACHE;
  if (!grows(&r->c) && !r->short_rows)
    out->size = floats_of(&r->c) > bench_floats(SIZE_ROWS) ? SIZE_MEMORY : SIZE_CACHE;
  return true;
}

bool bench_case_at(size_t i, bench_case *out) {
  static const bench_rows *const lists[] = {&bench_tensor_rows, &bench_model_rows};
  if (elementwise_at(&i, out)) return true;
  for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
    for (size_t r = 0; r < lists[k]->n; r++)
      if (row_at(&lists[k]->rows[r], &i, out)) return true;
  return false;
}

/* ---- as text ---- */

typedef struct text {
  char *out;
  size_t size, at;
} text;

static void add(text *t, const char *name, const double *v, int n) {
  bool any = false;
  for (int i = 0; i < n; i++) any = any || v[i] != 0;
  for (int i = 0; any && i < n && t->at < t->size; i++)
    t->at += (size_t)snprintf(t->out + t->at, t->size - t->at, "%s%s%.9g",
                              i       ? ","
                              : t->at ? ";"
                                      : "",
                              i ? "" : name, v[i]);
}

void bench_attrs_text(const op_attrs *a, char *out, size_t size) {
  text t = {out, size, 0};
  *out = '\0';
  const struct {
    const char *name;
    double v;
  } one[] = {{"slope=", a->slope},       {"beta=", a->beta},         {"low=", a->low},
             {"high=", a->high},         {"exponent=", a->exponent}, {"base=", a->base},
             {"alpha=", a->alpha},       {"scalar=", a->scalar},     {"p=", a->p},
             {"order=", a->order},       {"value=", a->value},       {"start=", (double)a->start},
             {"stop=", (double)a->stop}, {"step=", (double)a->step}, {"length=", (double)a->length},
             {"part=", a->part},         {"groups=", a->groups},     {"ta=", a->transpose_a},
             {"tb=", a->transpose_b}};
  for (size_t i = 0; i < sizeof one / sizeof *one; i++) add(&t, one[i].name, &one[i].v, 1);
  const struct {
    const char *name;
    const int *v;
  } two[] = {{"stride=", a->stride},     {"padding=", a->padding}, {"output_padding=", a->output_padding},
             {"dilation=", a->dilation}, {"kernel=", a->kernel},   {"scale=", a->scale}};
  for (size_t i = 0; i < sizeof two / sizeof *two; i++) add(&t, two[i].name, (double[]){two[i].v[0], two[i].v[1]}, 2);
  double v[OP_DIMS + 1] = {a->dims};
  for (int d = 0; d < OP_DIMS; d++) v[1 + d] = a->dim[d];
  add(&t, "dims=", v, OP_DIMS + 1); /* how many, then which */
  for (int d = 0; d < a->ndim; d++) v[d] = (double)a->shape[d];
  add(&t, "shape=", v, a->ndim);
  if (!a->act.formula || t.at >= size) return;
  t.at += (size_t)snprintf(out + t.at, size - t.at, "%sact=%s", t.at ? ";" : "", a->act.formula);
  for (size_t i = 0; i < sizeof a->act.numbers / sizeof *a->act.numbers && a->act.numbers[i] != 0; i++)
    if (t.at < size) t.at += (size_t)snprintf(out + t.at, size - t.at, ",%.9g", (double)a->act.numbers[i]);
}
