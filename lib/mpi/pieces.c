/* Pieces of a vector on their way: from the device, out, and until they are sums. */
#include "pieces.h"
#include <stdlib.h>
#include <string.h>

struct clg_piece {
  clg_bucket b;
  const float *host; /* it is copied from there; NULL: by the device */
  size_t at;         /* of the vector */
  size_t missing;    /* floats of it that no read is queued for */
  clg_event *ready;  /* when they are read; NULL: not all are queued */
  bool running;
};

/* ---- making ---- */

bool clg_pieces_cut(clg_pieces *p, size_t at, size_t n, const float *host, uint64_t *sent) {
  const size_t asked = p->g->options.bucket_bytes;
  size_t most = (asked ? asked : clg_group_defaults().bucket_bytes) / sizeof(float);
  if (!most) most = 1;
  clg_piece *list = realloc(p->piece, (p->n + n / most + 1) * sizeof *list);
  if (!list) return false;
  p->piece = list;
  for (size_t done = 0, part; done < n; done += part) {
    part = n - done < most ? n - done : most;
    list[p->n++] = (clg_piece){.at = at + done, .host = host ? host + done : NULL, .b = {.n = part, .sent = sent}};
  }
  return true;
}

static size_t space_of(const clg_piece *p) { return (p->b.n + 1) / 2; }

static bool make_room(clg_pieces *p) {
  size_t space = 0;
  for (size_t i = 0; i < p->n; i++) space += space_of(&p->piece[i]);
  p->space = malloc((space + 1) * sizeof *p->space);
  p->request = calloc(2 * p->n + 1, sizeof *p->request);
  p->through = calloc(2 * p->n + 1, sizeof *p->through);
  return p->space && p->request && p->through;
}

static bool tags_last(const clg_pieces *p) {
  int *most = NULL, given = 0;
  MPI_Comm_get_attr(p->g->comm, MPI_TAG_UB, &most, &given);
  size_t last = (size_t)p->g->next_tag + p->n;
  return given && last <= (size_t)*most;
}

clg_status clg_pieces_place(clg_pieces *p, float *data) {
  if (!make_room(p)) return clg_raise(p->g->ctx, CLG_ERR_HOST_MEMORY, "group_sum", "out of host memory");
  if (!tags_last(p))
    return clg_raise(p->g->ctx, CLG_ERR_ARGUMENT, "group_sum", "MPI has no tags for so many buckets: make them larger");
  float *space = p->space;
  p->data = data;
  for (size_t i = 0; i < p->n; i++) {
    clg_bucket *b = &p->piece[i].b;
    b->data = data + p->piece[i].at;
    b->space = space;
    b->tag = p->g->next_tag++;
    b->request = &p->request[2 * i];
    b->request[0] = b->request[1] = MPI_REQUEST_NULL;
    space += space_of(&p->piece[i]);
  }
  clg_pieces_reset(p);
  return CLG_OK;
}

void clg_pieces_reset(clg_pieces *p) {
  for (size_t i = 0; i < p->n; i++) {
    clg_event_unref(&p->piece[i].ready);
    p->piece[i].missing = p->piece[i].b.n;
    p->piece[i].running = false;
  }
  p->first_open = p->under_way = 0;
  p->seconds = p->until = 0;
}

bool clg_pieces_drop(clg_pieces *p) {
  bool free_of_mpi = true;
  for (size_t i = 0; i < p->n; i++)
    if (p->piece[i].running && !p->piece[i].b.done) free_of_mpi = clg_bucket_abandon(&p->piece[i].b) && free_of_mpi;
  clg_pieces_reset(p);
  if (free_of_mpi) free(p->space);
  free(p->request);
  free(p->through);
  free(p->piece);
  return free_of_mpi;
}

/* ---- from the device ---- */

clg_status clg_pieces_queued(clg_pieces *p, size_t at, size_t n) {
  clg_event *event = NULL;
  clg_status status = CLG_OK;
  for (size_t i = 0; status == CLG_OK && i < p->n; i++) {
    clg_piece *one = &p->piece[i];
    size_t from = one->at > at ? one->at : at, to = one->at + one->b.n;
    if (to > at + n) to = at + n;
    if (from >= to || (one->missing -= to - from)) continue;
    if (!event) event = clg_event_record(p->g->ctx);
    if (!event) status = clg_last_status(p->g->ctx);
    one->ready = clg_event_ref(event);
  }
  clg_event_unref(&event);
  return status;
}

/* ---- moving on ---- */

static void start(clg_pieces *p, clg_piece *one) {
  if (one->host) memcpy(p->data + one->at, one->host, one->b.n * sizeof(float));
  if (!p->under_way++) p->since = clg_group_clock();
  one->running = true;
  clg_bucket_start(p->g, &one->b);
}

/* Of all pieces at once: each call of MPI's looks at every connection. */
static void test(clg_pieces *p) {
  const int n = 2 * (int)(p->n - p->first_open);
  int count;
  if (p->under_way)
    clg_group_check(p->g, MPI_Testsome(n, p->request + 2 * p->first_open, &count, p->through, MPI_STATUSES_IGNORE),
                    "MPI_Testsome");
}

static bool move(clg_pieces *p, clg_piece *one) {
  if (!one->running || !clg_bucket_turn(p->g, &one->b)) return false;
  if (one->b.done && !--p->under_way) p->until = clg_group_clock(), p->seconds += p->until - p->since;
  return true;
}

static bool is_through(const clg_piece *one) { return one->running && one->b.done; }

bool clg_pieces_turn(clg_pieces *p) {
  bool moved = false;
  test(p);
  for (size_t i = p->first_open; i < p->n && p->g->status == CLG_OK; i++) {
    clg_piece *one = &p->piece[i];
    bool starts = !one->running && one->ready && clg_event_done(one->ready);
    if (starts) start(p, one);
    moved = move(p, one) || starts || moved;
  }
  while (p->first_open < p->n && is_through(&p->piece[p->first_open])) p->first_open++;
  return moved;
}

bool clg_pieces_open(const clg_pieces *p, bool ready_alone) {
  bool open = false;
  for (size_t i = p->first_open; i < p->n && !open; i++)
    open = (p->piece[i].ready || !ready_alone) && !is_through(&p->piece[i]);
  return open;
}
