/* A vector in pinned memory, cut into pieces: one goes out as soon as the device has copied all of it. Knows no
 * tensors. */
#ifndef CLG_MPI_PIECES_H
#define CLG_MPI_PIECES_H

#include "bucket.h"

typedef struct clg_piece clg_piece;

typedef struct clg_pieces {
  clg_group *g;
  float *data, *space; /* the vector, borrowed; room for what comes in */
  clg_piece *piece;
  size_t n, first_open; /* those before it are done */
  size_t under_way;
  MPI_Request *request;  /* [2*n] */
  int *through;          /* room for as many */
  double since, until;   /* the last time that some were under way; `until` when that has ended */
  double seconds;        /* of all such times that have */
} clg_pieces;

/* Floats of the vector from `at` on become pieces. host: they are copied from there when they go out; NULL: the device
 * copies them. sent: where their bytes are counted. False: out of memory. */
bool clg_pieces_cut(clg_pieces *p, size_t at, size_t n, const float *host, uint64_t *sent);
/* Behind all cuts: they are of this vector. */
clg_status clg_pieces_place(clg_pieces *p, float *data);
/* As before a batch. */
void clg_pieces_reset(clg_pieces *p);
/* Also what MPI knows of them. False: it may still read the vector of a group that failed, and `space`, which stays. */
bool clg_pieces_drop(clg_pieces *p);

/* [at, at + n) of the vector is on its way, when the queue is as far as it is now. */
clg_status clg_pieces_queued(clg_pieces *p, size_t at, size_t n);
/* Starts those that are ready, moves on those that are under way. Whether anything moved. */
bool clg_pieces_turn(clg_pieces *p);
/* Whether some are not through yet; with `ready_alone` only those count that are queued whole. */
bool clg_pieces_open(const clg_pieces *p, bool ready_alone);

#endif
