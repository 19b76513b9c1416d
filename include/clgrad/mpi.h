/* Data-parallel training on several devices and machines, over MPI: each process (a rank) has a context of its own on a
 * device of its own and trains a replica of the model on its part of each batch; gradients are summed between them.
 *
 * Library clgrad-mpi (pkg-config), on the public interface of clgrad and on MPI's C functions alone. Ranks of one
 * communicator must be of one build: libraries of MPI differ in their ABI.
 *
 * The same bits for any number of ranks. A batch is cut into a fixed number of shards, a power of two, and rank r of R
 * runs those from r*shards/R on. clg_shard_sum sums the gradients within a rank, clg_group_sum over the ranks, in one
 * binary tree over the shards: in steps of 1, 2, 4 .. ranks apart each sends a half of what it still has and adds the
 * other half to its own, then halves are handed back in reverse. What differs between ranks is which part of the tree
 * each one computes. So weights are the same to the bit for 1, 2, 4 .. ranks, if all that a shard does follows from the
 * shard: its data, its noise (clg_set_seed), its batch norm. On devices of one kind, that is: another computes
 * otherwise.
 *
 * Threads: MPI is called by the thread that uses the context, which is to be the one that started MPI
 * (MPI_THREAD_FUNNELED is enough; MPI_THREAD_SERIALIZED where strands have threads of their own): by the calls below,
 * and while the context waits for its device, by its idle callback (clg_set_idle), which a group takes. No other thread
 * is made.
 *
 * Errors: MPI's are returned, not aborted on, whatever handler of errors the program has set, which stays.
 * CLG_ERR_PEER: another rank gave up, is silent, or cannot be reached; the context's line names it. A group that failed
 * once fails always: what is left to do is to end the processes, with MPI_Abort where others may still wait. Calls
 * marked collective are made by all ranks, in the same order.
 *
 * A group over a plan context sends nothing: its sums take the memory that they would take, and leave numbers as they
 * are. */
#ifndef CLGRAD_MPI_H
#define CLGRAD_MPI_H

#include <clgrad/autograd.h>
#include <clgrad/optim.h>
#include <mpi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* This process's place among those of `comm` on the same machine, from 0: for clg_context_options.nth, so that each
 * takes a device of its own where there are as many. Collective; blocks. -1: MPI failed, or is not started. */
CLG_API int clg_group_place(MPI_Comm comm);

/* ---- groups ---- */

typedef struct clg_group clg_group;

typedef struct clg_group_options {
  /* Seconds that a rank may be silent while others wait for it, or 0 for ever; not counted while it compiles kernels
   * (clg_group_compiling). Ranks send a word to the first now and then, and it to them, whenever they wait. */
  double timeout;
  size_t bucket_bytes; /* at most so many go out in one piece; 0: a sum goes out when all of it is there */
} clg_group_options;
/* 60 s, 256 KiB. */
CLG_API clg_group_options clg_group_defaults(void);

/* A group of the ranks of `comm`, which is duplicated, each with a context of its own; takes the context's idle
 * callback, and holds the context. Collective, unless the context is a plan. `options` may be NULL. On failure *out is
 * NULL and the context has the error. */
CLG_API clg_status clg_group_create(clg_group **out, clg_context *ctx, MPI_Comm comm, const clg_group_options *options);
CLG_API clg_group *clg_group_ref(clg_group *g);
/* Collective with the last reference, unless the group failed: waits until all have come to it. */
CLG_API void clg_group_unref(clg_group **g);

CLG_API int clg_group_rank(const clg_group *g); /* from 0; -1 of NULL */
CLG_API int clg_group_size(const clg_group *g); /* 0 of NULL */

/* Parameters and buffers of `m` become those of rank 0's. Collective; blocks. */
CLG_API clg_status clg_group_broadcast(clg_group *g, clg_module *m);
/* Gathers `bytes` of each rank, in their order, at every one: all [size*bytes]. For figures and reports. Collective;
 * blocks. */
CLG_API clg_status clg_group_gather(clg_group *g, const void *mine, size_t bytes, void *all);
/* A new op result: the ranks' `mine`, one behind the other in the order of ranks, as one dimension. Each has as many
 * elements, float32. For what shards tell each other (clg_meeting). Collective; blocks, but in a plan. */
CLG_API clg_tensor *clg_group_gather_tensor(clg_group *g, clg_tensor *mine);

/* To be called from clg_context_options.build: this rank is busy compiling, or done with it. */
CLG_API void clg_group_compiling(clg_group *g, bool on);
/* This rank gives up, for the reason in the line: the others' calls fail with "rank 2: LINE". Waits for a moment, until
 * the word is out. */
CLG_API void clg_group_give_up(clg_group *g, const char *line);

/* Since the group was made, of this rank. */
typedef struct clg_group_counters {
  uint64_t
      gradient_bytes;   /* sent for sums of gradients: over all ranks 2*(size - 1) times the gradients' bytes a sum */
  uint64_t other_bytes; /* sent for all else */
  uint64_t sums;
  double seconds;         /* of sums, while any of their bytes were under way */
  double exposed_seconds; /* of these, while the device had nothing to do */
} clg_group_counters;
CLG_API clg_group_counters clg_group_counted(const clg_group *g);

/* ---- sums of gradients ---- */

/* The sums of `shards` over all ranks, and with them whatever else a batch adds up: the tensors that it tracks, and n
 * floats of the host. Staged in pinned memory of their size, and half as much for what comes in. */
typedef struct clg_group_sum clg_group_sum;
/* `shards` is over this rank's part of the shards: as many on every rank, whose number is a power of two. Parameters
 * are the same on all. `host` [n_host] is borrowed as long as the sum lives; NULL with 0. */
CLG_API clg_group_sum *clg_group_sum_create(clg_group *g, clg_shard_sum *shards, float *host, size_t n_host);
CLG_API clg_group_sum *clg_group_sum_ref(clg_group_sum *s);
CLG_API void clg_group_sum_unref(clg_group_sum **s);

/* Says that the next backward is the last one that adds to the gradients of this rank's last shard: each goes out as
 * soon as it is complete, while the backward goes on. Tracked tensors and host floats are final when this is called,
 * but for floats that reads which are queued already still write. May be left out: then all goes out in
 * clg_group_sum_finish. */
CLG_API clg_status clg_group_sum_start(clg_group_sum *s);
/* Behind clg_shard_sum_add of this rank's last shard: the gradients become the sums over all ranks' shards, the host
 * floats too, and tracked tensors their means. Blocks until all is there; what goes back to the device is queued. Each
 * rank makes as many of these as the others, in the same order. */
CLG_API clg_status clg_group_sum_finish(clg_group_sum *s);

#ifdef __cplusplus
}
#endif
#endif
