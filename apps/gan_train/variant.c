/* Names of the variants. */
#include "variant.h"
#include <string.h>

static const struct {
  const char *name, *summary;
} rows[VARIANT_COUNT] = {
    [VARIANT_DETACH] = {"detach", "D(detach(fake)): the reference"},
    [VARIANT_RETAIN_GRAPH] = {"retain_graph", "D(fake), backward that retains the graph"},
    [VARIANT_INPUTS] = {"inputs", "D(fake), backward for D's parameters alone"},
    [VARIANT_RECOMPUTE] = {"recompute", "D(fake), plain backward, then G(z) again"},
    [VARIANT_NO_GRAD] = {"no_grad", "fake made without a graph, then G(z) again"},
    [VARIANT_FROZEN_D] = {"frozen_d", "as detach, D frozen while G learns"},
    [VARIANT_CHECKPOINT] = {"checkpoint", "as detach, activations recomputed block by block"},
    [VARIANT_POLLUTED] = {"polluted", "as retain_graph, without zero_grad before G's backward: a mistake"},
    [VARIANT_ONE_STAGE] = {"one_stage", "G learns from D's backward of the fakes: another algorithm"},
    [VARIANT_NAIVE] = {"naive", "D(fake), plain backward: must fail"},
    [VARIANT_STALE] = {"stale", "G learns from D's output of before D's step: must fail"},
};

const char *variant_name(variant v) { return rows[v].name; }
const char *variant_summary(variant v) { return rows[v].summary; }
bool variant_must_fail(variant v) { return v == VARIANT_NAIVE || v == VARIANT_STALE; }
bool variant_other_algorithm(variant v) { return v == VARIANT_ONE_STAGE; }

variant variant_find(const char *name, size_t n) {
  int v = 0;
  while (v < VARIANT_COUNT && (strlen(rows[v].name) != n || memcmp(rows[v].name, name, n))) v++;
  return (variant)v;
}
