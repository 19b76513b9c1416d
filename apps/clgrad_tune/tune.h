/* What the files of clgrad_tune share. */
#ifndef CLG_APPS_TUNE_H
#define CLG_APPS_TUNE_H

#include <clgrad/clgrad.h>

/* Another choice than the one without a table is worth a line from this on: less is noise. */
#define GAIN 1.07
/* What takes this many times longer in its first round is not measured further. */
#define HOPELESS 3.0
/* Seconds of a round, if one call is shorter. */
#define ROUND 0.002
/* Seconds of a call after which one round will do. */
#define LONG            0.02
#define PRODUCT_CLASSES (4 * CLG_SIZE_CLASSES * CLG_SIZE_CLASSES * CLG_SIZE_CLASSES)
#define CLASSES         (PRODUCT_CLASSES + CLG_CONV_CLASSES)

/* What to tune; of CLBlast: each of its kernels, and where the one begins and the other ends. */
typedef enum part {
  PART_XGEMM = 1,
  PART_DIRECT = 2,
  PART_THRESHOLD = 4,
  PART_CLBLAST = 7,
  PART_PRODUCTS = 8,
  PART_CONVOLUTIONS = 16,
  PART_ALL = 31
} part;
typedef struct options {
  const char *device, *file;
  clg_device_shape shape;
  int rounds, candidates; /* of each of CLBlast's kernels, at most */
  unsigned parts;
  bool quick, json, quiet, help, version;
} options;

/* ---- measure.c ---- */

double now(void);
/* [m,k] [k,n]; ta, tb: kept transposed. */
typedef struct product_case {
  bool ta, tb;
  int64_t m, n, k;
} product_case;
/* A stored [rows,columns], or [columns,rows] seen transposed. */
clg_tensor *operand(clg_context *ctx, int64_t rows, int64_t columns, bool transposed);
/* What is called: a b, or the convolution of the two that computes `output`: of a weight's gradient a is the result and
 * b the weight. */
typedef struct work {
  clg_tensor *a, *b, *gradient;
  clg_conv_operand output; /* CLG_CONV_OPERANDS: a product */
  clg_conv_options options;
} work;
/* Seconds a call; negative on an error. */
double round_of(clg_context *ctx, const work *w, int calls);
double least(double a, double b); /* of those that are not 0 */
clg_context *open_context(const options *o);

/* ---- candidates.c ---- */

/* Parameters to try, most promising first; NULL behind the last. */
const uint32_t *candidate(clg_clblast_kernel kernel, int i);

/* ---- clblast.c ---- */

typedef enum trial_state {
  TRIAL_WAITS,
  TRIAL_RUNS,
  TRIAL_MEASURED,
  TRIAL_NO_FIT,
  TRIAL_REFUSED,
  TRIAL_WRONG
} trial_state;
typedef struct trial {
  clg_clblast_kernel kernel;
  int candidate;
  trial_state state;
  double gain; /* against CLBlast's own parameters: a geometric mean of ratios of times */
} trial;
#define MOST_TRIALS 32
typedef struct findings {
  bool serves; /* the device's shape is the GPU's, so there is something to tune */
  int n;
  trial trial[MOST_TRIALS];
  int best[2];              /* of Xgemm and XgemmDirect: a trial, or -1 for CLBlast's own */
  double gain[2];           /* measured again */
  bool split;               /* where the one begins and the other ends was measured */
  uint32_t min_indirect;    /* 0: CLBlast's own */
  double min_indirect_gain; /* at the size where it helps most */
} findings;
/* False: it has said why. Opens no context in this process. */
bool tune_clblast(const options *o, findings *out);
/* Puts what was found in the context's table. */
bool use_findings(clg_context *ctx, const findings *f);

/* ---- clblast_job.c: what is measured in a process of its own ---- */

typedef struct job {
  bool serves, done;
  bool again; /* a kernel may have written where it should not: the rest in a new process */
  int n;
  trial trial[MOST_TRIALS];
  uint32_t min_indirect; /* threshold_job's answer */
  double min_indirect_gain;
} job;
/* Measures CLBlast's own parameters and the trials that wait, all of one kernel. */
bool trials_job(clg_context *ctx, const options *o, volatile job *j);
/* Where copies begin to pay, with the trials' parameters. */
bool threshold_job(clg_context *ctx, const options *o, volatile job *j);

/* ---- rows.c ---- */

enum { MOST_KERNELS = CLG_PRODUCT_KERNELS, FIXED = 0 };
_Static_assert((int)CLG_CONV_KERNELS <= (int)MOST_KERNELS, "room for both");
typedef struct row {
  part kind; /* PART_PRODUCTS or PART_CONVOLUTIONS */
  clg_product_class product;
  int conv;
  double seconds[MOST_KERNELS]; /* 0: not measured */
  int best;
} row;
int row_kernels(const row *r);
const char *row_kernel_name(const row *r, int kernel);
bool row_serves(const clg_context *ctx, const row *r, int kernel);
bool row_choose(clg_context *ctx, const row *r, int kernel);
void row_name(const row *r, char *to, size_t size);
/* The operands live in the scope that is open. */
bool row_prepare(clg_context *ctx, const row *r, work *w);

/* ---- classes.c ---- */

bool tune_classes(clg_context *ctx, row *rows, const options *o);

/* ---- show.c ---- */

void print_text(const clg_context *ctx, const row *rows, const findings *f);
bool print_json(const clg_context *ctx, const row *rows, const findings *f, const char *file);
/* A progress line on a terminal. */
void progress(const options *o, const char *what, int done, int of);
void progress_end(const options *o);

#endif
