/* Texts that live as long as the context: few, and asked for seldom. */
#include "base/context.h"
#include <stdlib.h>
#include <string.h>

struct clg_kept {
  clg_kept *next;
  char text[];
};

const char *clg_keep(clg_context *ctx, const char *text) {
  if (!*text) return "";
  for (const clg_kept *k = ctx->kept; k; k = k->next)
    if (!strcmp(k->text, text)) return k->text;
  size_t size = strlen(text) + 1;
  clg_kept *k = malloc(sizeof *k + size);
  if (!k) return "";
  memcpy(k->text, text, size);
  k->next = ctx->kept;
  ctx->kept = k;
  return k->text;
}

void clg_kept_free(clg_kept *all) {
  for (clg_kept *next; all; all = next) next = all->next, free(all);
}
