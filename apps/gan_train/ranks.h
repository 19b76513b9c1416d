/* The processes that train together: one, or the ranks that mpirun started. What is the process's is here as functions,
 * what is a training's as a team. Built with MPI (ranks_mpi.c) or without (ranks_alone.c). */
#ifndef GAN_RANKS_H
#define GAN_RANKS_H

#include "message.h"
#include <clgrad/clgrad.h>

/* ---- the process ---- */

/* Starts MPI if mpirun started the process. False: it did, but not the mpirun of the MPI that this is built with. */
bool ranks_begin(int *argc, char ***argv, message *why);
void ranks_end(void);
int ranks_rank(void); /* 0 where there is one process */
int ranks_count(void);
size_t ranks_place(void); /* among those on this machine */

/* Whether it is well on every rank. If not, rank 0 has the line of the first where it is not, which is named if others
 * differ, and the other ranks have none. For what all ranks do before they are a team. */
bool ranks_agree(bool ok, message *why);
/* This rank cannot go on, or has heard why another cannot (CLG_ERR_PEER). One rank says it, and all end. */
_Noreturn void ranks_give_up(clg_status status, const char *line);

/* ---- a training's ---- */

typedef struct clg_group team;         /* NULL: one process */
typedef struct clg_group_sum team_sum; /* NULL likewise */

typedef struct team_options {
  double timeout;      /* seconds of silence; 0: none */
  size_t bucket_bytes; /* 0: nothing goes out before all is there */
} team_options;

/* *out is NULL where there is one process. Over a plan it sends nothing. All ranks, together. */
clg_status team_join(team **out, clg_context *ctx, const team_options *options);
void team_leave(team **t);
/* To be called when a compilation begins and is over, for the team that there is. */
void ranks_compiling(bool on);

/* What follows gives CLG_OK for no team, and gathers its own. `host` is borrowed. */
clg_status team_broadcast(team *t, clg_module *m);
clg_status team_gather(team *t, const void *mine, size_t bytes, void *all);
/* An op result: all ranks' `mine`, one behind the other. `mine` itself for no team. */
clg_tensor *team_gather_tensor(team *t, clg_tensor *mine);
clg_status team_sum_make(team_sum **out, team *t, clg_shard_sum *shards, float *host, size_t n_host);
void team_sum_drop(team_sum **s);
clg_status team_sum_start(team_sum *s);
clg_status team_sum_finish(team_sum *s);

/* What this rank sent, and for how long, since the team was made. */
typedef struct team_counters {
  uint64_t gradient_bytes, other_bytes;
  double seconds, exposed_seconds; /* of sums; of these, while the device had nothing to do */
} team_counters;
team_counters team_counted(const team *t);

#endif
