/* The arena: owns the nodes of a DAG and keeps each of them once. */
#include "expr/arena.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const clg_op_row clg_op_rows[CLG_EXPR_OPS] = {
    [CLG_EX_CONST] = {"", 0, NULL, NULL},
    [CLG_EX_VAR] = {"", 0, NULL, NULL},
    [CLG_EX_ADD] = {"+", 2, NULL, NULL},
    [CLG_EX_SUB] = {"-", 2, NULL, NULL},
    [CLG_EX_MUL] = {"*", 2, NULL, NULL},
    [CLG_EX_DIV] = {"/", 2, "clg_div", "clg_div16"},
    [CLG_EX_NEG] = {"-", 1, NULL, NULL},
    [CLG_EX_LT] = {"<", 2, NULL, NULL},
    [CLG_EX_LE] = {"<=", 2, NULL, NULL},
    [CLG_EX_EQ] = {"==", 2, NULL, NULL},
    [CLG_EX_NE] = {"!=", 2, NULL, NULL},
    [CLG_EX_SELECT] = {"?", 3, NULL, NULL},
    [CLG_EX_EXP] = {"exp", 1, "clg_exp", "clg_exp16"},
    [CLG_EX_EXP2] = {"exp2", 1, "clg_exp2", "clg_exp216"},
    [CLG_EX_LOG] = {"log", 1, "clg_log", "clg_log16"},
    [CLG_EX_LOG2] = {"log2", 1, "clg_log2", "clg_log216"},
    [CLG_EX_LOG1P] = {"log1p", 1, "clg_log1p", "clg_log1p16"},
    [CLG_EX_EXPM1] = {"expm1", 1, "clg_expm1", "clg_expm116"},
    [CLG_EX_SQRT] = {"sqrt", 1, "clg_sqrt", "clg_sqrt16"},
    [CLG_EX_RSQRT] = {"rsqrt", 1, "clg_rsqrt", "clg_rsqrt16"},
    [CLG_EX_TANH] = {"tanh", 1, "clg_tanh", "clg_tanh16"},
    [CLG_EX_SIGMOID] = {"sigmoid", 1, "clg_sigmoid", "clg_sigmoid16"},
    [CLG_EX_SOFTPLUS] = {"softplus", 1, "clg_softplus", "clg_softplus16"},
    [CLG_EX_ERF] = {"erf", 1, "clg_erf", "clg_erf16"},
    [CLG_EX_ERFC] = {"erfc", 1, "clg_erfc", "clg_erfc16"},
    [CLG_EX_SIN] = {"sin", 1, "clg_sin", "clg_sin16"},
    [CLG_EX_COS] = {"cos", 1, "clg_cos", "clg_cos16"},
    [CLG_EX_POW] = {"pow", 2, "clg_pow", "clg_pow16"},
    [CLG_EX_ABS] = {"abs", 1, "fabs", "fabs"},
    [CLG_EX_SIGN] = {"sign", 1, "clg_sign", "clg_sign16"},
    [CLG_EX_MIN] = {"min", 2, "clg_min", "clg_min16"},
    [CLG_EX_MAX] = {"max", 2, "clg_max", "clg_max16"},
    [CLG_EX_FLOOR] = {"floor", 1, "clg_floor", "clg_floor16"},
    [CLG_EX_ABSENT] = {"", 0, NULL, NULL},
};

#define FIRST_NODES 256

clg_arena *clg_arena_create(void) {
  clg_arena *a = calloc(1, sizeof *a);
  if (!a) return NULL;
  *a = (clg_arena){.n = 1, .cap = FIRST_NODES, .n_slots = 2 * FIRST_NODES};
  a->node = calloc(a->cap, sizeof *a->node);
  a->slot = calloc(a->n_slots, sizeof *a->slot);
  if (a->node && a->slot) return a;
  clg_arena_destroy(a);
  return NULL;
}

void clg_arena_destroy(clg_arena *a) {
  if (!a) return;
  for (uint32_t i = 1; a->node && i < a->n; i++) free(a->node[i].name);
  free(a->node);
  free(a->slot);
  free(a);
}

/* Doubles both arrays: the table is never more than half full. */
static bool grow(clg_arena *a) {
  if (a->cap > UINT32_MAX / 4) return false;
  uint32_t cap = 2 * a->cap, n_slots = 2 * cap;
  clg_enode *node = realloc(a->node, cap * sizeof *node);
  if (!node) return false;
  a->node = node;
  clg_expr *slot = calloc(n_slots, sizeof *slot);
  if (!slot) return false;
  for (clg_expr e = 1; e < a->n; e++) {
    uint32_t i = (uint32_t)a->node[e].hash & (n_slots - 1);
    while (slot[i]) i = (i + 1) & (n_slots - 1);
    slot[i] = e;
  }
  free(a->slot);
  a->slot = slot;
  a->cap = cap;
  a->n_slots = n_slots;
  return true;
}

static uint64_t hash_of(const clg_arena *a, const clg_enode *k) {
  unsigned char op = (unsigned char)k->op;
  uint64_t h = clg_hash(CLG_HASH_START, &op, 1);
  if (k->op == CLG_EX_CONST) h = clg_hash(h, &k->value, sizeof k->value);
  if (k->op == CLG_EX_VAR) h = clg_hash(h, k->name, strlen(k->name));
  for (int i = 0; i < clg_op_rows[k->op].arity; i++) h = clg_hash(h, &a->node[k->arg[i]].hash, sizeof h);
  return h ^ h >> 32; /* FNV's low bits, which the table takes, see too little of the last bytes */
}

static bool same(const clg_enode *x, const clg_enode *y) {
  return x->hash == y->hash && x->op == y->op && !memcmp(x->arg, y->arg, sizeof x->arg) &&
         !memcmp(&x->value, &y->value, sizeof x->value) && (x->op != CLG_EX_VAR || !strcmp(x->name, y->name));
}

clg_expr clg_arena_intern(clg_arena *a, clg_expr_op op, const clg_expr arg[3], double value, const char *name) {
  if (!a) return 0;
  clg_enode k = {.op = op, .value = value, .name = (char *)name};
  for (int i = 0; i < clg_op_rows[op].arity; i++) {
    k.arg[i] = arg[i];
    if (a->node[arg[i]].depth >= k.depth) k.depth = a->node[arg[i]].depth + 1;
  }
  k.hash = hash_of(a, &k);
  if (a->n == a->cap && !grow(a)) return 0;
  uint32_t i = (uint32_t)k.hash & (a->n_slots - 1);
  for (; a->slot[i]; i = (i + 1) & (a->n_slots - 1))
    if (same(&a->node[a->slot[i]], &k)) return a->slot[i];
  if (name && !(k.name = strdup(name))) return 0;
  a->node[a->n] = k;
  return a->slot[i] = a->n++;
}

clg_expr clg_expr_absent(clg_arena *a) { return clg_arena_intern(a, CLG_EX_ABSENT, NULL, 0, NULL); }

clg_expr clg_expr_const(clg_arena *a, double v) {
  if (isnan(v)) v = (double)NAN; /* one NaN, whatever its sign and payload */
  return clg_arena_intern(a, CLG_EX_CONST, NULL, v, NULL);
}

clg_expr clg_expr_var(clg_arena *a, const char *name) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  if (!name || !*name || (*name >= '0' && *name <= '9') || name[strspn(name, letters)]) return 0;
  return clg_arena_intern(a, CLG_EX_VAR, NULL, 0, name);
}

clg_expr_op clg_expr_op_of(const clg_arena *a, clg_expr e) { return a->node[e].op; }

bool clg_expr_is_const(const clg_arena *a, clg_expr e, double v) {
  return e && a->node[e].op == CLG_EX_CONST && a->node[e].value == v;
}

bool clg_expr_is_absent(const clg_arena *a, clg_expr e) { return e && a->node[e].op == CLG_EX_ABSENT; }

int clg_expr_compare(const clg_arena *a, clg_expr x, clg_expr y) {
  const clg_enode *p = &a->node[x], *q = &a->node[y];
  int kind_x = p->op < CLG_EX_ADD ? (int)p->op : 2;
  int kind_y = q->op < CLG_EX_ADD ? (int)q->op : 2;
  if (kind_x != kind_y) return kind_x < kind_y ? -1 : 1;
  if (p->op == CLG_EX_VAR) return strcmp(p->name, q->name);
  if (p->value != q->value) return p->value < q->value ? -1 : 1;
  if (p->depth != q->depth) return p->depth < q->depth ? -1 : 1;
  if (p->op != q->op) return p->op < q->op ? -1 : 1;
  if (p->hash != q->hash) return p->hash < q->hash ? -1 : 1;
  return x < y ? -1 : x > y;
}
