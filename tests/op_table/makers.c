/* Makers of data, which have no operand. */
#include "op_table.h"
#include <math.h>
#include <string.h>

/* Number i of the stream, 32 bits: lane i%4 of block position + i/4 (Salmon, Moraes, Dror, Shaw 2011). `further`: of
 * blocks beside these. */
static uint32_t philox_of(uint64_t seed, uint64_t position, uint32_t further, int64_t i) {
  uint64_t at = position + (uint64_t)i / 4;
  uint32_t c[4] = {(uint32_t)at, (uint32_t)(at >> 32), further, 0}, k[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (int round = 0; round < 10; round++) {
    uint64_t p = 0xD2511F53ull * c[0], q = 0xCD9E8D57ull * c[2];
    uint32_t next[4] = {(uint32_t)(q >> 32) ^ c[1] ^ k[0], (uint32_t)q, (uint32_t)(p >> 32) ^ c[3] ^ k[1], (uint32_t)p};
    memcpy(c, next, sizeof c);
    k[0] += 0x9E3779B9u, k[1] += 0xBB67AE85u;
  }
  return c[i % 4];
}
static uint32_t philox(uint64_t seed, uint64_t position, int64_t i) { return philox_of(seed, position, 0, i); }
/* Sixteen bits of a number, then as many of a further one: 128 elements have four numbers each of 16 blocks. */
double op_random_of_dropout(int64_t i) {
  uint32_t bits = 0;
  for (uint32_t further = 0; further < 2; further++) {
    uint32_t number = philox_of(OP_SEED, OP_POSITION, further, (i / 128 * 16 + i % 16) * 4 + i % 128 / 32);
    bits = bits << 16 | (i / 16 % 2 ? number >> 16 : number & 0xFFFF);
  }
  return bits * 0x1p-32;
}
double op_random_unit(int64_t i) { return (philox(OP_SEED, OP_POSITION, i) >> 8) * 0x1p-24; }

static double no_number(const op_attrs *a, int64_t i) { return (void)a, (void)i, 0; }
static double one_number(const op_attrs *a, int64_t i) { return (void)a, (void)i, 1; }
static double value_number(const op_attrs *a, int64_t i) { return (void)i, a->value; }
static double diagonal_number(const op_attrs *a, int64_t i) { return i / a->shape[1] == i % a->shape[1]; }
static double range_number(const op_attrs *a, int64_t i) { return a->low + (double)i * a->scalar; }
static double uniform_number(const op_attrs *a, int64_t i) {
  return a->low + ((double)a->high - a->low) * op_random_unit(i);
}
/* Box and Muller's: two of two. */
static double normal_number(const op_attrs *a, int64_t i) {
  double r = sqrt(-2 * log(1 - op_random_unit(i / 2 * 2))), turn = 2 * acos(-1) * op_random_unit(i / 2 * 2 + 1);
  (void)a;
  return i % 2 ? r * sin(turn) : r * cos(turn);
}
static double integer_number(const op_attrs *a, int64_t i) {
  uint64_t width = (uint64_t)(a->stop - a->start);
  return (double)a->start + (double)(philox(OP_SEED, OP_POSITION, i) * width >> 32);
}

static void made(const op_attrs *a, op_array *out, double (*number)(const op_attrs *a, int64_t i)) {
  array_shape(out, a->ndim, a->shape);
  for (int64_t i = 0; i < array_count(out); i++) out->v[i] = number(a, i);
}
#define MAKER(NAME, CALL, NUMBER)                                                                                      \
  static void NAME##_made(const op_attrs *a, const op_array *in, op_array *out) { (void)in, made(a, out, NUMBER); }    \
  OP(NAME, CALL, .whole = NAME##_made, .detached = true)
#define SEEDED (clg_set_seed(c->ctx, OP_SEED, OP_POSITION), c->ctx)
/* Its elements are any: written over. */
static clg_tensor *written(clg_tensor *t, float v) { return clg_fill_(t, v) == CLG_OK ? t : NULL; }
MAKER(empty, written(clg_empty(c->ctx, a->ndim, a->shape), a->value), value_number)
MAKER(zeros, clg_zeros(c->ctx, a->ndim, a->shape), no_number)
MAKER(ones, clg_ones(c->ctx, a->ndim, a->shape), one_number)
MAKER(full, clg_full(c->ctx, a->ndim, a->shape, a->value), value_number)
MAKER(eye, clg_eye(c->ctx, a->shape[0], a->shape[1]), diagonal_number)
MAKER(arange, clg_arange(c->ctx, a->low, a->high, a->scalar), range_number)
MAKER(rand, clg_rand(SEEDED, a->ndim, a->shape, a->low, a->high), uniform_number)
MAKER(randn, clg_randn(SEEDED, a->ndim, a->shape), normal_number)
MAKER(randint, clg_randint(SEEDED, a->ndim, a->shape, (int32_t)a->start, (int32_t)a->stop), integer_number)

#define TO(...) .ndim = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .shape = {__VA_ARGS__}
static const op_case cases[] = {
    {&op_empty, .attrs = {TO(3, 5), .value = 0.7f}},
    {&op_zeros, .attrs = {TO(3, 5)}},
    {&op_ones, .attrs = {TO(3, 5)}},
    {&op_full, .attrs = {TO(3, 5), .value = 0.7f}},
    {&op_eye, .attrs = {TO(3, 5)}},
    {&op_eye, "of more rows", .attrs = {TO(5, 3)}},
    {&op_arange, .attrs = {TO(5), .low = 2, .high = -0.2f, .scalar = -0.5f}},
    {&op_rand, .attrs = {TO(3, 7), .low = -1, .high = 3}},
    {&op_randn, .attrs = {TO(3, 7)}},
    {&op_randint, .attrs = {TO(3, 7), .start = -5, .stop = 1000}},
};
const op_list maker_cases = OP_LIST(cases);
