/* Ranks of one training. */
#include "together.h"
#include "random.h"
#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const float *weights, size_t n) {
  uint64_t hash = n;
  for (size_t i = 0; i < n; i++) {
    uint32_t word;
    memcpy(&word, &weights[i], sizeof word);
    hash = random_mix(hash, word);
  }
  return hash;
}

static bool library_fails(const training *t, message *why) { return fail(why, "%s", clg_last_error(t->ctx)); }

/* What all ranks begin with. */
typedef struct beginning {
  uint64_t data;
  int64_t first, steps;
} beginning;

static bool check_beginning(training *t, message *why) {
  const beginning mine = {t->setup->data_hash, t->first, t->setup->steps};
  beginning *all = calloc((size_t)ranks_count(), sizeof *all);
  if (!all) return fail_no_memory(why);
  bool ok = team_gather(t->team, &mine, sizeof mine, all) == CLG_OK || library_fails(t, why);
  for (int r = 1; ok && r < ranks_count(); r++) {
    if (all[r].data != all[0].data) ok = fail(why, "rank %d has other data than rank 0", r);
    if (ok && (all[r].first != all[0].first || all[r].steps != all[0].steps))
      ok = fail(why, "rank %d goes on from another state than rank 0", r);
  }
  free(all);
  return ok;
}

bool together_begin(training *t, message *why) {
  gan *m = &t->model;
  clg_module *const modules[] = {m->g, m->d, m->g_labels, m->d_labels};
  if (ranks_count() == 1) return true;
  clg_status status = team_join(&t->team, t->ctx, &t->setup->team);
  if (clg_context_is_plan(t->ctx)) return status == CLG_OK || library_fails(t, why);
  if (status != CLG_OK) ranks_give_up(status, clg_last_error(t->ctx)); /* there is no team to tell */
  if (!check_beginning(t, why)) return false;
  for (int i = 0; i < 4 && modules[i]; i++)
    if (team_broadcast(t->team, modules[i]) != CLG_OK) return library_fails(t, why);
  return true;
}

void together_count(training *t) { t->counted_from = team_counted(t->team); }

static result_rank figures_of(const training *t) {
  const result *r = t->r;
  clg_memory_stats now = clg_memory(t->ctx);
  team_counters to = team_counted(t->team), from = t->counted_from;
  int64_t steps = r->steps_done > 1 ? r->steps_done - 1 : r->steps_done;
  double per_step = steps ? 1 / (double)steps : 0;
  return (result_rank){.peak_live = r->memory.peak_live,
                       .peak_reserved = now.peak_reserved,
                       .predicted_live = r->predicted_live,
                       .predicted_reserved = r->predicted_reserved,
                       .gradient_bytes = (double)(to.gradient_bytes - from.gradient_bytes) * per_step,
                       .other_bytes = (double)(to.other_bytes - from.other_bytes) * per_step,
                       .ms = 1e3 * (to.seconds - from.seconds) * per_step,
                       .exposed_ms = 1e3 * (to.exposed_seconds - from.exposed_seconds) * per_step,
                       .step_ms = r->step_ms.median,
                       .weights = hash_of(r->weights, r->n_weights)};
}

bool together_end(training *t, message *why) {
  result *r = t->r;
  if (!t->team || clg_context_is_plan(t->ctx)) return true;
  result_rank mine = figures_of(t);
  r->n_ranks = ranks_count();
  r->ranks = calloc((size_t)r->n_ranks, sizeof *r->ranks);
  if (!r->ranks) return fail_no_memory(why);
  if (team_gather(t->team, &mine, sizeof mine, r->ranks) != CLG_OK) return library_fails(t, why);
  for (int k = 1; k < r->n_ranks; k++)
    if (r->ranks[k].weights != r->ranks[0].weights)
      return fail(why, "rank %d has other weights than rank 0: their devices do not compute alike", k);
  return true;
}
