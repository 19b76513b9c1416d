/* A stretch of a vector of floats that every rank has, and its sum over them in the tree of ranks: by messages to and
 * from one partner at a time. Knows no device. */
#ifndef CLG_MPI_BUCKET_H
#define CLG_MPI_BUCKET_H

#include "group.h"

/* Ranks are at most 2^CLG_BUCKET_LEVELS. */
#define CLG_BUCKET_LEVELS 30

typedef struct clg_bucket {
  float *data, *space; /* [n], and room for what comes in: [(n + 1)/2] */
  size_t n;
  int tag;        /* its own between any two ranks */
  uint64_t *sent; /* where sent bytes are counted */
  int level;      /* steps done: halved so far, and then handed back */
  bool handing_back, done;
  size_t first[CLG_BUCKET_LEVELS + 1], length[CLG_BUCKET_LEVELS + 1]; /* what this rank has after so many halvings */
  MPI_Request *request; /* [2], of the caller, who tests those of many buckets at once */
} clg_bucket;

/* The first messages go out: data is this rank's part from here on, until done the sum. */
void clg_bucket_start(clg_group *g, clg_bucket *b);
/* Goes on if its messages are through: both requests are MPI_REQUEST_NULL, as the caller's test left them; b->done at
 * the end. Whether it did anything. */
bool clg_bucket_turn(clg_group *g, clg_bucket *b);
/* Ends its messages, where that is possible. False: MPI may still read `data`. */
bool clg_bucket_abandon(clg_bucket *b);

#endif
