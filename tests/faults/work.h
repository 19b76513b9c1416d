/* Work that makes most kinds of calls of the library, family by family, as a program would that looks at the close of
 * its scope alone; and the numbers that come out. */
#ifndef CLG_TESTS_WORK_H
#define CLG_TESTS_WORK_H

#include <clgrad/clgrad.h>

enum { RESULTS_MOST = 1 << 14 };
typedef struct results {
  size_t n; /* values; also what was reached is one */
  float value[RESULTS_MOST];
} results;

typedef struct workload {
  const char *name;
  void (*run)(clg_context *ctx, results *r);
  bool saves; /* values, which a plan has none of */
} workload;
extern const workload workloads[];
extern const size_t workload_count;

/* A folder for files, with some to load; removed by work_files_remove. */
void work_files_make(void);
void work_files_remove(void);
/* The same each time: also the random numbers. What the scope around it says. */
clg_status work_run(const workload *w, clg_context *ctx, results *r);

/* ---- for the work ---- */

#define SHAPE(...)                                                                                                     \
  (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) { __VA_ARGS__ }
/* Takes a tensor's elements; NULL, and what cannot be read, are no result. */
void note(results *r, clg_tensor *t);
/* Something else that the work is for. */
void reached(results *r, bool done);
void note_parameters(results *r, clg_module *m);
const char *work_file(const char *name); /* a path; overwritten by the next */

/* work_ops.c */
void work_formulas(clg_context *ctx, results *r);
void work_images(clg_context *ctx, results *r);
void work_second(clg_context *ctx, results *r);
void work_parts(clg_context *ctx, results *r);
void work_kernels(clg_context *ctx, results *r);
/* work_looks.c */
void work_looks(clg_context *ctx, results *r);

#endif
