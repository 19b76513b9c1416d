/* Shards of one process in lock step: each runs on a thread of its own, one at a time, up to where it meets the others,
 * whose strands then go on to there; what they tell is put together with what other ranks' tell. */
#ifndef GAN_LOCKSTEP_H
#define GAN_LOCKSTEP_H

#include "message.h"
#include "ranks.h"

typedef struct lockstep lockstep;

/* For n of `shards`, those of a process of the team (borrowed; NULL: all are this process's). NULL with `why`. */
lockstep *lockstep_open(clg_context *ctx, team *t, int n, int shards, message *why);
void lockstep_close(lockstep **l);
/* Where the k-th of them meets the others, in what lockstep_run runs. */
clg_meeting lockstep_meeting(lockstep *l, int k);

/* Runs work(user, 0 .. n-1). False where one of them says so: then those that would meet it fail too. */
bool lockstep_run(lockstep *l, bool (*work)(void *user, int k), void *user);

#endif
