/* The memory books: live bytes by role, peaks, phases, and who was alive at the live peak. Owns the entries and phase
 * names.
 *
 * Time is counted in allocations. An entry belongs to the current peak when it began at or before the peak's tick and
 * is either still live or on the list of those that ended since. A new peak empties that list, so that each entry is
 * handled a constant number of times, however many peaks there are. */
#include "device/books.h"
#include "base/grown.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct clg_entry {
  clg_entry *prev, *next;
  uint64_t bytes, tick;
  const char *op, *layer, *phase;
  clg_role role, peak_role;
  uint64_t peak_role_tick; /* the peak for which peak_role, not role, holds */
  clg_dtype dtype;
  int ndim; /* -1: no tensor's */
  int64_t shape[];
};

struct clg_books {
  clg_memory_stats now;
  uint64_t tick, peak_tick;
  clg_entry *live, *ended; /* ended: since the peak, alive at it */
  clg_phase_row *phases;
  size_t n_phases, cap_phases;
  clg_phase_row *phase; /* current; NULL: none */
  clg_memory_fn trace;
  void *trace_user;
};

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

clg_books *clg_books_create(void) { return calloc(1, sizeof(clg_books)); }

static void free_list(clg_entry *e) {
  while (e) {
    clg_entry *next = e->next;
    free(e);
    e = next;
  }
}

void clg_books_destroy(clg_books *b) {
  if (!b) return;
  free_list(b->live);
  free_list(b->ended);
  for (size_t i = 0; i < b->n_phases; i++) free((char *)b->phases[i].name);
  free(b->phases);
  free(b);
}

const char *clg_role_name(clg_role role) {
  static const char *const name[CLG_ROLE_COUNT] = {"parameter",  "gradient",  "optimizer", "saved",
                                                   "activation", "workspace", "data"};
  return (unsigned)role < CLG_ROLE_COUNT ? name[role] : "unknown";
}

static void new_peak(clg_books *b) {
  b->now.peak_live = b->now.live;
  memcpy(b->now.peak_by_role, b->now.live_by_role, sizeof b->now.peak_by_role);
  b->peak_tick = b->tick;
  free_list(b->ended);
  b->ended = NULL;
}

static const char *phase_of(const clg_books *b) { return b->phase ? b->phase->name : ""; }

/* ---- the record ---- */

const char *clg_memory_kind_name(clg_memory_kind kind) {
  static const char *const name[] = {"held", "alloc", "release", "role"};
  return (unsigned)kind < sizeof name / sizeof *name ? name[kind] : "unknown";
}

const char *clg_by_name(clg_by by) {
  static const char *const name[] = {"other", "op", "scope", "backward", "optimizer", "zero_grad", "context"};
  return (unsigned)by < sizeof name / sizeof *name ? name[by] : "unknown";
}

static void report(const clg_context *ctx, clg_memory_event event, const clg_entry *e) {
  const clg_books *b = ctx->books;
  event.id = e->tick;
  event.bytes = e->bytes;
  event.role = e->role;
  event.op = e->op, event.layer = e->layer, event.made_in = e->phase;
  event.dtype = e->dtype, event.ndim = e->ndim, event.shape = e->shape;
  event.by = ctx->work.by, event.by_name = ctx->work.name ? ctx->work.name : "", event.by_layer = clg_layer(ctx);
  event.phase = phase_of(b);
  b->trace(b->trace_user, &event);
}

static void tell(clg_context *ctx, clg_memory_kind kind, const clg_entry *e, clg_role was) {
  if (ctx->tracer) ctx->tracer->memory(ctx);
  if (!ctx->books->trace) return;
  report(ctx, (clg_memory_event){.kind = kind, .was = was, .live = ctx->books->now.live}, e);
}

/* The newest comes first in the list. */
static void report_held(const clg_context *ctx) {
  const clg_entry *e = ctx->books->live;
  while (e && e->next) e = e->next;
  for (uint64_t live = 0; e; e = e->prev)
    report(ctx, (clg_memory_event){.kind = CLG_MEMORY_HELD, .was = e->role, .live = live += e->bytes}, e);
}

void clg_memory_trace(clg_context *ctx, clg_memory_fn fn, void *user) {
  if (!ctx) return;
  ctx->books->trace = fn;
  ctx->books->trace_user = user;
  if (fn) report_held(ctx);
}

/* ---- the books ---- */

clg_entry *clg_books_add(clg_context *ctx, size_t bytes, clg_role role, const char *op, const clg_extent *what) {
  clg_books *b = ctx->books;
  size_t shape = what ? (size_t)what->ndim * sizeof *what->shape : 0;
  clg_entry *e = malloc(sizeof *e + shape);
  if (!e) return NULL;
  *e = (clg_entry){.next = b->live,
                   .bytes = bytes,
                   .tick = ++b->tick,
                   .op = op ? op : "",
                   .layer = clg_layer(ctx),
                   .phase = phase_of(b),
                   .role = role,
                   .dtype = CLG_F32,
                   .ndim = -1};
  if (what) {
    e->dtype = what->dtype;
    e->ndim = what->ndim;
    if (shape) memcpy(e->shape, what->shape, shape);
  }
  if (b->live) b->live->prev = e;
  b->live = e;
  b->now.live += bytes;
  b->now.live_by_role[role] += bytes;
  if (b->now.live > b->now.peak_live) new_peak(b);
  if (b->phase) b->phase->peak_live = larger(b->phase->peak_live, b->now.live);
  tell(ctx, CLG_MEMORY_ALLOC, e, role);
  return e;
}

void clg_books_remove(clg_context *ctx, clg_entry *e) {
  clg_books *b = ctx->books;
  *(e->prev ? &e->prev->next : &b->live) = e->next;
  if (e->next) e->next->prev = e->prev;
  b->now.live -= e->bytes;
  b->now.live_by_role[e->role] -= e->bytes;
  tell(ctx, CLG_MEMORY_RELEASE, e, e->role);
  if (e->tick <= b->peak_tick) {
    e->next = b->ended;
    b->ended = e;
  } else {
    free(e);
  }
}

void clg_books_set_role(clg_context *ctx, clg_entry *e, clg_role role) {
  clg_books *b = ctx->books;
  const clg_role was = e->role;
  if (was == role) return;
  if (e->tick <= b->peak_tick && e->peak_role_tick != b->peak_tick) {
    e->peak_role = e->role;
    e->peak_role_tick = b->peak_tick;
  }
  b->now.live_by_role[e->role] -= e->bytes;
  b->now.live_by_role[role] += e->bytes;
  e->role = role;
  tell(ctx, CLG_MEMORY_ROLE, e, was);
}

void clg_books_reserved(clg_books *b, int64_t bytes) {
  b->now.reserved += (uint64_t)bytes;
  b->now.peak_reserved = larger(b->now.peak_reserved, b->now.reserved);
}

void clg_books_saved(clg_context *ctx, int64_t bytes) {
  clg_memory_stats *now = &ctx->books->now;
  now->saved += (uint64_t)bytes;
  now->peak_saved = larger(now->peak_saved, now->saved);
}

clg_memory_stats clg_memory(const clg_context *ctx) { return ctx ? ctx->books->now : (clg_memory_stats){0}; }

/* The tick moves on, so that what a role was at the old peak is not taken for the new one's. */
void clg_memory_reset_peak(clg_context *ctx) {
  if (!ctx) return;
  clg_books *b = ctx->books;
  b->tick++;
  new_peak(b);
  b->now.peak_saved = b->now.saved;
  for (size_t i = 0; i < b->n_phases; i++) b->phases[i].peak_live = 0;
  if (b->phase) b->phase->peak_live = b->now.live;
}

/* ---- who was alive at the peak ---- */

static int by_size(const void *pa, const void *pb) {
  const clg_memory_row *a = pa, *b = pb;
  if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
  if (a->role != b->role) return a->role < b->role ? -1 : 1;
  int by_phase = strcmp(a->phase, b->phase);
  return by_phase ? by_phase : strcmp(a->op, b->op);
}

/* Row 0 of a heap of n is the smallest: replaces it by `row` and lets that sink. */
static void heap_replace(clg_memory_row *rows, size_t n, clg_memory_row row) {
  size_t at = 0;
  for (size_t kid; (kid = 2 * at + 1) < n; at = kid) {
    if (kid + 1 < n && by_size(&rows[kid + 1], &rows[kid]) > 0) kid++;
    if (by_size(&row, &rows[kid]) >= 0) break;
    rows[at] = rows[kid];
  }
  rows[at] = row;
}

/* A list of rows that keeps the `max` largest seen. */
typedef struct top {
  clg_memory_row *rows;
  size_t max, seen;
} top;

static void top_add(top *t, clg_memory_row row) {
  size_t n = t->seen++;
  if (n < t->max) {
    t->rows[n] = row;
    /* In descending order the reversed array is a heap of the smallest. */
    if (n + 1 == t->max) {
      qsort(t->rows, t->max, sizeof row, by_size);
      for (size_t i = 0; i < t->max / 2; i++) {
        clg_memory_row other = t->rows[i];
        t->rows[i] = t->rows[t->max - 1 - i];
        t->rows[t->max - 1 - i] = other;
      }
    }
  } else if (t->max && by_size(&row, &t->rows[0]) < 0) {
    heap_replace(t->rows, t->max, row);
  }
}

static void top_add_list(top *t, const clg_books *b, const clg_entry *e) {
  for (; e; e = e->next) {
    if (e->tick > b->peak_tick) continue;
    clg_role role = e->peak_role_tick == b->peak_tick ? e->peak_role : e->role;
    top_add(t, (clg_memory_row){e->bytes, role, e->op, e->phase});
  }
}

size_t clg_memory_at_peak(const clg_context *ctx, clg_memory_row *rows, size_t max) {
  if (!ctx) return 0;
  top t = {rows, rows ? max : 0, 0};
  top_add_list(&t, ctx->books, ctx->books->live);
  top_add_list(&t, ctx->books, ctx->books->ended);
  size_t kept = t.seen < t.max ? t.seen : t.max;
  if (kept) qsort(rows, kept, sizeof *rows, by_size);
  return t.seen;
}

/* ---- who is alive now ---- */

typedef struct holder {
  const char *op, *phase;
  uint64_t bytes, n;
} holder;

static int most_first(const void *a, const void *b) {
  const holder *x = a, *y = b;
  return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

size_t clg_books_holders(const clg_books *b, char *to, size_t size) {
  enum { MOST = 32 };
  holder list[MOST];
  size_t n = 0, all = 0, used = 0;
  for (const clg_entry *e = b->live; e; e = e->next, all++) {
    size_t i = 0;
    while (i < n && (strcmp(list[i].op, e->op) || strcmp(list[i].phase, e->phase))) i++;
    if (i == MOST) continue;
    if (i == n) list[n++] = (holder){.op = e->op, .phase = e->phase};
    list[i].bytes += e->bytes, list[i].n++;
  }
  qsort(list, n, sizeof *list, most_first);
  if (size) to[0] = 0;
  for (size_t i = 0; i < n && used < size; i++) {
    const holder *h = &list[i];
    const char *in = *h->phase ? " in " : "";
    int k = snprintf(to + used, size - used, "%s%llu by %s%s%s (%llu bytes)", i ? ", " : "", (unsigned long long)h->n,
                     h->op, in, h->phase, (unsigned long long)h->bytes);
    used += k > 0 ? (size_t)k : 0;
  }
  return all;
}

/* ---- phases ---- */

static clg_phase_row *find_phase(clg_books *b, const char *name) {
  for (size_t i = 0; i < b->n_phases; i++)
    if (!strcmp(b->phases[i].name, name)) return &b->phases[i];
  clg_phase_row *list = clg_grown(b->phases, b->n_phases, &b->cap_phases, sizeof *list);
  if (!list) return NULL;
  b->phases = list;
  char *copy = strdup(name);
  if (!copy) return NULL;
  b->phases[b->n_phases] = (clg_phase_row){.name = copy};
  return &b->phases[b->n_phases++];
}

static void note_phase(clg_books *b) {
  if (!b->phase) return;
  b->phase->live = b->now.live;
  b->phase->saved = b->now.saved;
}

/* False: out of host memory, and there is no phase. */
static bool set_phase(clg_books *b, const char *name) {
  note_phase(b);
  b->phase = NULL;
  if (!name || !*name) return true;
  b->phase = find_phase(b, name);
  if (!b->phase) return false;
  b->phase->peak_live = larger(b->phase->peak_live, b->now.live);
  return true;
}

void clg_set_phase(clg_context *ctx, const char *name) {
  if (!ctx) return;
  bool set = set_phase(ctx->books, name);
  ctx->phase = phase_of(ctx->books);
  if (ctx->tracer) ctx->tracer->phase(ctx);
  if (!set) clg_fail(ctx, CLG_ERR_HOST_MEMORY, "set_phase", "out of host memory");
}

size_t clg_memory_phases(const clg_context *ctx, clg_phase_row *rows, size_t max) {
  if (!ctx) return 0;
  note_phase(ctx->books);
  size_t n = ctx->books->n_phases, copied = n < max ? n : max;
  if (rows && copied) memcpy(rows, ctx->books->phases, copied * sizeof *rows);
  return n;
}
