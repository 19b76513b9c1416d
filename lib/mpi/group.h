/* The inner side of a group: how it waits, fails, and hears of its ranks. */
#ifndef CLG_MPI_GROUP_H
#define CLG_MPI_GROUP_H

#include <clgrad/mpi.h>
#include <time.h>

/* Of messages between two ranks: words of the watch; buckets have one each. */
enum { CLG_TAG_WATCH = 1, CLG_TAG_BUCKETS = 2 };

typedef struct clg_watch clg_watch;

struct clg_group {
  uint32_t refs;
  clg_context *ctx;
  MPI_Comm comm; /* ours; MPI_COMM_NULL in a plan, and where there is one rank */
  int rank, size;
  clg_group_options options;
  clg_watch *watch;
  int next_tag;        /* of the next bucket that is made */
  clg_group_sum *sums; /* all there are, whose messages move on whenever the group is polled */
  unsigned idle;       /* of the context's wait: turns in which nothing moved */
  double left;         /* when its last turn ended */
  clg_status status;   /* of the first failure, after which nothing works */
  char why[480];
  clg_group_counters count;
};

/* Seconds of a clock that only goes forward. */
double clg_group_clock(void);

/* Notes the first failure; returns its status. */
clg_status clg_group_fail(clg_group *g, clg_status status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The group's failure as the context's error. */
clg_status clg_group_raise(clg_group *g, const char *op);
/* CLG_OK, or a failure of MPI's that is noted. */
clg_status clg_group_check(clg_group *g, int code, const char *call);

/* A turn of whoever waits: what is under way moves on, ranks are heard. Whether anything did. */
bool clg_group_poll(clg_group *g);
/* Leaves the processor to others for a moment, a longer one the more often nothing moved; *idle counts that. A device
 * that works may be the very processor: beside it looks are fewer. */
void clg_group_rest(bool moved, bool beside_device, unsigned *idle);
/* Waits for the requests, and meanwhile polls. On failure they may still be under way. */
clg_status clg_group_wait(clg_group *g, MPI_Request *requests, int n, const char *call);

#endif
