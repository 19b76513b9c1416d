/* The sum of one bucket. Rank r meets r^1, r^2, r^4 ..: of the half that it keeps it adds what the partner has, so that
 * after k steps each has a part of the sum over 2^k ranks, which are neighbours: a subtree's. The order of the two in
 * an addition does not matter. Then, in reverse, partners hand each other the halves that they kept. */
#include "bucket.h"

/* The lower half is the shorter one; a rank whose bit of this level is not set keeps it. */
static bool keeps_lower(const clg_group *g, int level) { return !(g->rank >> level & 1); }

/* What a rank has at a level, in two: what it keeps, and what it gives. */
typedef struct halves {
  size_t kept, n_kept, given, n_given;
} halves;

static halves split(const clg_group *g, const clg_bucket *b, int level) {
  size_t at = b->first[level], n = b->length[level], half = n / 2;
  if (keeps_lower(g, level)) return (halves){at, half, at + half, n - half};
  return (halves){at + half, n - half, at, half};
}

static void exchange(clg_group *g, clg_bucket *b, const float *out, size_t n_out, float *in, size_t n_in, int partner) {
  if (clg_group_check(g, MPI_Irecv(in, (int)n_in, MPI_FLOAT, partner, b->tag, g->comm, &b->request[0]), "MPI_Irecv") !=
      CLG_OK)
    return;
  clg_group_check(g, MPI_Isend(out, (int)n_out, MPI_FLOAT, partner, b->tag, g->comm, &b->request[1]), "MPI_Isend");
  *b->sent += n_out * sizeof(float);
}

static void begin_halving(clg_group *g, clg_bucket *b) {
  halves h = split(g, b, b->level);
  b->first[b->level + 1] = h.kept, b->length[b->level + 1] = h.n_kept;
  exchange(g, b, b->data + h.given, h.n_given, b->space, h.n_kept, g->rank ^ 1 << b->level);
}

static void begin_handing_back(clg_group *g, clg_bucket *b) {
  halves h = split(g, b, b->level - 1);
  exchange(g, b, b->data + h.kept, h.n_kept, b->data + h.given, h.n_given, g->rank ^ 1 << (b->level - 1));
}

static void next(clg_group *g, clg_bucket *b) {
  if (!b->handing_back && 1 << b->level == g->size) b->handing_back = true;
  b->done = b->handing_back && !b->level;
  if (b->done) return;
  if (b->handing_back)
    begin_handing_back(g, b);
  else
    begin_halving(g, b);
}

/* What was asked for has come. */
static void take(clg_bucket *b) {
  if (b->handing_back) {
    b->level--;
    return;
  }
  b->level++;
  float *restrict sum = b->data + b->first[b->level];
  const float *restrict more = b->space;
  for (size_t i = 0; i < b->length[b->level]; i++) sum[i] += more[i];
}

void clg_bucket_start(clg_group *g, clg_bucket *b) {
  b->level = 0;
  b->handing_back = b->done = false;
  b->first[0] = 0, b->length[0] = b->n;
  next(g, b);
}

bool clg_bucket_turn(clg_group *g, clg_bucket *b) {
  if (b->done || b->request[0] != MPI_REQUEST_NULL || b->request[1] != MPI_REQUEST_NULL) return false;
  take(b);
  next(g, b);
  return true;
}

bool clg_bucket_abandon(clg_bucket *b) {
  int sent = 1;
  if (b->request[0] != MPI_REQUEST_NULL) {
    MPI_Cancel(&b->request[0]);
    MPI_Wait(&b->request[0], MPI_STATUS_IGNORE);
  }
  if (b->request[1] != MPI_REQUEST_NULL) MPI_Test(&b->request[1], &sent, MPI_STATUS_IGNORE);
  return sent;
}
