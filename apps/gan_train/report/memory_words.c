/* Names allocations, and what let them go. */
#include "memory_words.h"
#include <string.h>

/* Adds "before text after" unless the text is empty. */
static void add(char to[WORDS_ROOM], const char *before, const char *text) {
  size_t n = strlen(to);
  if (*text) snprintf(to + n, WORDS_ROOM - n, "%s%s", before, text);
}

void words_of_item(const record_item *item, char to[WORDS_ROOM]) {
  *to = 0;
  if (item->role == CLG_ROLE_WORKSPACE)
    add(to, "workspace of ", item->op);
  else if (item->role == CLG_ROLE_GRADIENT && strcmp(item->op, "gradients"))
    add(to, "gradient by ", item->op);
  else if (item->role == CLG_ROLE_OPTIMIZER)
    add(to, "moments of ", item->op);
  else
    add(to, "", *item->op ? item->op : clg_role_name(item->role));
  add(to, " in ", item->layer);
}

void words_of_shape(const record_item *item, char to[WORDS_ROOM]) {
  *to = 0;
  if (item->ndim < 0) return;
  add(to, "", item->dtype);
  add(to, " ", "[");
  for (int i = 0; i < item->ndim; i++) {
    char size[24];
    snprintf(size, sizeof size, "%lld", (long long)item->shape[i]);
    add(to, i ? ", " : "", size);
  }
  add(to, "", "]");
}

void words_of_release(const record_item *item, char to[WORDS_ROOM]) {
  *to = 0;
  if (!item->released) {
    add(to, "", "lives on after the step");
    return;
  }
  switch (item->by) {
  case CLG_BY_OP: add(to, "the op ", item->by_name); break;
  case CLG_BY_SCOPE:
    add(to, "", *item->by_layer ? "the close of the scope" : "the close of a scope of the loop");
    break;
  case CLG_BY_BACKWARD: add(to, "the backward of ", item->by_name); break;
  case CLG_BY_OPTIMIZER: add(to, "", item->by_name); break;
  case CLG_BY_ZERO_GRAD: add(to, "", "zero_grad"); break;
  default: add(to, "", "its last name (unref)"); break;
  }
  add(to, item->by == CLG_BY_SCOPE ? " of " : " in ", item->by_layer);
  add(to, ", in ", item->released_in);
}
