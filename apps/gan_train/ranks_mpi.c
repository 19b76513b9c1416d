/* Ranks of an MPI. The state is the process's, as MPI's is. */
#include "launched.h"
#include "ranks.h"
#include <clgrad/mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int rank, count = 1;
static size_t place;
static bool begun;
static clg_group *working; /* of the training on a device that there is */

/* ---- the process ---- */

bool ranks_begin(int *argc, char ***argv, message *why) {
  int level, told = launched_ranks();
  if (!told) return true; /* MPI takes a moment to start */
  if (MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &level) != MPI_SUCCESS) return fail(why, "MPI does not start");
  begun = true;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &count);
  if (count < told)
    return fail(
        why, "started for %d ranks by the mpirun of another MPI: each would train alone, over the others' files", told);
  if (count > 1) place = (size_t)clg_group_place(MPI_COMM_WORLD);
  return true;
}

void ranks_end(void) {
  if (begun) MPI_Finalize();
  begun = false;
}

int ranks_rank(void) { return rank; }
int ranks_count(void) { return count; }
size_t ranks_place(void) { return place; }

void ranks_compiling(bool on) { clg_group_compiling(working, on); }

typedef struct vote {
  bool ok;
  message why;
} vote;

/* What rank 0 says. */
static void blame(const vote *votes, message *why) {
  int first = 0, same = 0;
  while (votes[first].ok) first++;
  for (int r = 0; r < count; r++) same += !votes[r].ok && !strcmp(votes[r].why.text, votes[first].why.text);
  *why = (message){""};
  if (same == count)
    fail(why, "%s", votes[first].why.text);
  else
    fail(why, "rank %d: %s", first, votes[first].why.text);
}

bool ranks_agree(bool ok, message *why) {
  if (count == 1) return ok;
  vote mine = {.ok = ok, .why = *why}, *all = calloc((size_t)count, sizeof *all);
  if (!all) ranks_give_up(CLG_ERR_HOST_MEMORY, "out of host memory");
  if (MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, MPI_COMM_WORLD) != MPI_SUCCESS)
    ranks_give_up(CLG_ERR_STATE, "MPI_Allgather failed");
  for (int r = 0; r < count; r++) ok = ok && all[r].ok;
  if (!ok && !rank) blame(all, why);
  if (!ok && rank) *why = (message){""};
  free(all);
  return ok;
}

/* The first rank speaks at once, the others when it does not: it may be the one that is gone. */
_Noreturn void ranks_give_up(clg_status status, const char *line) {
  const int ms = rank < 8 ? 500 * rank : 4000;
  if (status != CLG_ERR_PEER) clg_group_give_up(working, line);
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = 1000000L * (ms % 1000)}, NULL);
  if (status == CLG_ERR_PEER)
    fprintf(stderr, "gan_train: %s\n", line);
  else
    fprintf(stderr, "gan_train: rank %d: %s\n", rank, line);
  if (begun) MPI_Abort(MPI_COMM_WORLD, 1);
  exit(1);
}

/* ---- teams ---- */

clg_status team_join(team **out, clg_context *ctx, const team_options *options) {
  const clg_group_options o = {.timeout = options->timeout, .bucket_bytes = options->bucket_bytes};
  *out = NULL;
  clg_status status = count > 1 ? clg_group_create(out, ctx, MPI_COMM_WORLD, &o) : CLG_OK;
  if (*out && !clg_context_is_plan(ctx)) working = *out;
  return status;
}

void team_leave(team **t) {
  if (*t == working) working = NULL;
  clg_group_unref(t);
}

clg_status team_broadcast(team *t, clg_module *m) { return t ? clg_group_broadcast(t, m) : CLG_OK; }

clg_status team_gather(team *t, const void *mine, size_t bytes, void *all) {
  if (t) return clg_group_gather(t, mine, bytes, all);
  memcpy(all, mine, bytes);
  return CLG_OK;
}

clg_tensor *team_gather_tensor(team *t, clg_tensor *mine) { return t ? clg_group_gather_tensor(t, mine) : mine; }

clg_status team_sum_make(team_sum **out, team *t, clg_shard_sum *shards, float *host, size_t n_host) {
  *out = t ? clg_group_sum_create(t, shards, host, n_host) : NULL;
  return *out || !t ? CLG_OK : CLG_ERR_STATE;
}

void team_sum_drop(team_sum **s) { clg_group_sum_unref(s); }
clg_status team_sum_start(team_sum *s) { return s ? clg_group_sum_start(s) : CLG_OK; }
clg_status team_sum_finish(team_sum *s) { return s ? clg_group_sum_finish(s) : CLG_OK; }

team_counters team_counted(const team *t) {
  clg_group_counters c = clg_group_counted(t);
  return (team_counters){c.gradient_bytes, c.other_bytes, c.seconds, c.exposed_seconds};
}
