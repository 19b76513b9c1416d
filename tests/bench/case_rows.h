/* Rows of cases, by the names of the op table's ops. */
#ifndef BENCH_CASE_ROWS_H
#define BENCH_CASE_ROWS_H

#include "cases.h"

typedef struct bench_row {
  const char *op;
  op_case c; /* .op is found by the name */
  bench_layout layout;
  bool short_rows;
} bench_row;
typedef struct bench_rows {
  const bench_row *rows;
  size_t n;
} bench_rows;
#define BENCH_ROWS(rows)                                                                                               \
  { rows, sizeof(rows) / sizeof *(rows) }

extern const bench_rows bench_tensor_rows; /* what moves, joins, reduces or makes elements */
extern const bench_rows bench_model_rows;  /* layers, losses and products */

#define IN(...)                                                                                                        \
  { __VA_ARGS__ }
/* An op, what tells the row, its operands; then attributes, gradients (bit i: operand i has one) and so on. */
#define ROW(op, what, in, ...)                                                                                         \
  { op, {NULL, what, in, __VA_ARGS__}, LAYOUT_FLAT, false }
#define SHORT(op, what, in, ...)                                                                                       \
  { op, {NULL, what, in, __VA_ARGS__}, LAYOUT_FLAT, true }
#define ROW_AS(layout, op, what, in, ...)                                                                              \
  { op, {NULL, what, in, __VA_ARGS__}, LAYOUT_##layout, false }
#define SHORT_AS(layout, op, what, in, ...)                                                                            \
  { op, {NULL, what, in, __VA_ARGS__}, LAYOUT_##layout, true }
#define OVER(...) .dims = (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), .dim = {__VA_ARGS__}
#define ALONG(d)  .dims = 1, .dim = {d}
#define TO(...)   .ndim = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .shape = {__VA_ARGS__}

#endif
