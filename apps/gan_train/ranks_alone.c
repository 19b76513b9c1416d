/* One process: gan_train that is built without MPI. */
#include "launched.h"
#include "ranks.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ranks_begin(int *argc, char ***argv, message *why) {
  (void)argc, (void)argv;
  return launched_ranks() < 2 || fail(why, "several ranks want a gan_train that is built with MPI: this one is not");
}

void ranks_end(void) {}
int ranks_rank(void) { return 0; }
int ranks_count(void) { return 1; }
size_t ranks_place(void) { return 0; }
void ranks_compiling(bool on) { (void)on; }

bool ranks_agree(bool ok, message *why) {
  (void)why;
  return ok;
}

_Noreturn void ranks_give_up(clg_status status, const char *line) {
  (void)status;
  fprintf(stderr, "gan_train: %s\n", line);
  exit(1);
}

/* ---- nobody to work with ---- */

clg_status team_join(team **out, clg_context *ctx, const team_options *options) {
  (void)ctx, (void)options;
  *out = NULL;
  return CLG_OK;
}

void team_leave(team **t) { *t = NULL; }

clg_status team_broadcast(team *t, clg_module *m) {
  (void)t, (void)m;
  return CLG_OK;
}

clg_status team_gather(team *t, const void *mine, size_t bytes, void *all) {
  (void)t;
  memcpy(all, mine, bytes);
  return CLG_OK;
}

clg_tensor *team_gather_tensor(team *t, clg_tensor *mine) {
  (void)t;
  return mine;
}

clg_status team_sum_make(team_sum **out, team *t, clg_shard_sum *shards, float *host, size_t n_host) {
  (void)t, (void)shards, (void)host, (void)n_host;
  *out = NULL;
  return CLG_OK;
}

void team_sum_drop(team_sum **s) { *s = NULL; }

clg_status team_sum_start(team_sum *s) {
  (void)s;
  return CLG_OK;
}

clg_status team_sum_finish(team_sum *s) {
  (void)s;
  return CLG_OK;
}

team_counters team_counted(const team *t) {
  (void)t;
  return (team_counters){0};
}
