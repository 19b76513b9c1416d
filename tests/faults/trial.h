/* A trial: one call fails while some work is done. It must end with an error of one line, or with the right bits; leave
 * no memory and no object; and the same context must do the same work afterwards, unless it is lost. */
#ifndef CLG_TESTS_TRIAL_H
#define CLG_TESTS_TRIAL_H

#include "faulty.h"
#include "work.h"

typedef struct trial {
  const workload *work;
  clg_context *(*open)(char *why, size_t size); /* NULL: `why` says so */
  faulty_call call;
  long at, times;
  int code; /* of OpenCL */
} trial;

typedef struct trial_count {
  long failed, tolerated, lost; /* faults; those that made no error; those that cost the context */
} trial_count;

/* Every n-th of so many calls fails; $TEST_FAULTS says how many of each, 0: all. */
long trial_stride(long calls, long most);
/* The code that call number `at` fails with: OpenCL's of the call, in turn. */
int trial_code(faulty_call call, long at);

/* Over a context's whole life, from its creation. What is right is in `right`. False: the call is not reached. */
bool trial_of_life(const trial *t, const results *right, trial_count *count);
/* In an open context, which is opened anew when it is lost. */
bool trial_of_work(const trial *t, clg_context **ctx, const results *right, trial_count *count);
/* Opens a context for the work, and does it once without faults. */
clg_context *trial_begin(const trial *t, results *right);
void trial_report(const char *title, const trial_count *count);

#endif
