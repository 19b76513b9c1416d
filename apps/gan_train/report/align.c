/* Aligns two records. */
#include "align.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Entries of the table: 64 MiB. */
#define MOST ((size_t)1 << 25)
#define NONE SIZE_MAX

static bool alike(const record_item *a, const record_item *b) {
  return a->bytes == b->bytes && a->ndim == b->ndim && !strcmp(a->op, b->op) && !strcmp(a->layer, b->layer) &&
         !strcmp(a->made_in, b->made_in) && !strcmp(a->dtype, b->dtype) &&
         (a->ndim <= 0 || !memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape));
}

/* like[i]: the item of b that is a's i-th, or NONE. */
static void find_likes(const record *a, const record *b, uint16_t *table, size_t *like) {
  size_t n = a->n_items, m = b->n_items, across = m + 1;
  for (size_t i = n; i-- > 0;)
    for (size_t k = m; k-- > 0;) {
      uint16_t skip = table[(i + 1) * across + k], other = table[i * across + k + 1];
      uint16_t best = skip > other ? skip : other;
      if (alike(&a->items[i], &b->items[k])) best = (uint16_t)(table[(i + 1) * across + k + 1] + 1);
      table[i * across + k] = best;
    }
  for (size_t i = 0, k = 0; i < n; i++) {
    like[i] = NONE;
    while (k < m && table[i * across + k] == table[i * across + k + 1]) k++;
    if (k < m && table[i * across + k] != table[(i + 1) * across + k] && alike(&a->items[i], &b->items[k]))
      like[i] = k++;
  }
}

/* The first instant of a behind the last at which the like is alive: when the next of a's items with a like is made of
 * those that b makes after the like has gone, or the step's last for what lives on behind it in a alone. */
static size_t until(const record *a, const record *b, const size_t *like, size_t i) {
  size_t gone = b->items[like[i]].end;
  for (size_t k = i + 1; k < a->n_items; k++)
    if (like[k] != NONE && b->items[like[k]].begin > gone) return a->items[k].begin;
  return a->items[i].released || !b->items[like[i]].released ? a->n_events + 1 : a->n_events;
}

/* Whether both make nothing while the item is alive; what lives on after the step meets the next one. */
static bool is_passing(const record *a, const size_t *like, size_t i, size_t first) {
  if (!a->items[i].released) return false;
  for (size_t k = i + 1; k < a->n_items && a->items[k].begin <= a->items[i].end; k++)
    if (like[k] != NONE && a->items[k].begin >= first) return false;
  return true;
}

bool align_can(const record *a, const record *b) {
  return a->n_items < UINT16_MAX && b->n_items < UINT16_MAX && (a->n_items + 1) * (b->n_items + 1) <= MOST;
}

aligned *align_records(const record *a, const record *b) {
  uint16_t *table = calloc((a->n_items + 1) * (b->n_items + 1), sizeof *table);
  size_t *like = calloc(a->n_items + 1, sizeof *like);
  aligned *all = calloc(a->n_items + 1, sizeof *all);
  bool ok = table && like && all;
  if (ok) find_likes(a, b, table, like);
  for (size_t i = 0; ok && i < a->n_items; i++) {
    all[i].first = like[i] == NONE ? a->items[i].begin : until(a, b, like, i);
    all[i].passing = is_passing(a, like, i, all[i].first);
  }
  free(table);
  free(like);
  if (ok) return all;
  free(all);
  return NULL;
}
