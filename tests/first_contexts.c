/* A process whose first OpenCL calls are made by several threads at once, each with a context of its own: the loader
 * and the drivers set themselves up only once, so one process is one try.
 *
 * usage: first_contexts [list|create] THREADS */
#include <clgrad/clgrad.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64, N = 1000 };

static pthread_barrier_t start;
static bool listing;

static const char *work(clg_context *ctx) {
  static _Thread_local char why[512];
  float x[N];
  for (int i = 0; i < N; i++) x[i] = (float)i;
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *in = clg_tensor_create(ctx, 1, (int64_t[]){N}, x), *y = clg_add_scalar(clg_mul_scalar(in, 2), 1);
  clg_tensor_read(y, x);
  clg_tensor_unref(&in);
  snprintf(why, sizeof why, "%s", clg_last_error(ctx));
  clg_scope_close(scope);
  for (int i = 0; i < N && !*why; i++)
    if (x[i] != 2 * (float)i + 1) snprintf(why, sizeof why, "element %d is %g", i, (double)x[i]);
  return *why ? why : NULL;
}

/* The number of failures, as a pointer. */
static void *run(void *arg) {
  (void)arg;
  char why[512] = "";
  clg_context_options o = clg_context_defaults();
  o.message = why;
  o.message_size = sizeof why;
  clg_context *ctx = NULL;
  pthread_barrier_wait(&start);
  if (listing && !clg_device_list(NULL, 0)) return fprintf(stderr, "no device is listed\n"), (void *)1;
  if (clg_context_create(&ctx, &o) != CLG_OK) return fprintf(stderr, "%s\n", why), (void *)1;
  const char *wrong = work(ctx);
  clg_context_unref(&ctx);
  if (!wrong) return NULL;
  return fprintf(stderr, "%s\n", wrong), (void *)1;
}

int main(int argc, char **argv) {
  int n = argc == 3 ? atoi(argv[2]) : 0, failed = 0;
  if (n < 1 || n > MOST) return fprintf(stderr, "usage: first_contexts [list|create] THREADS\n"), 2;
  listing = !strcmp(argv[1], "list");
  pthread_t thread[MOST];
  pthread_barrier_init(&start, NULL, (unsigned)n);
  for (int i = 0; i < n; i++)
    if (pthread_create(&thread[i], NULL, run, NULL)) return fprintf(stderr, "no thread\n"), 2;
  for (int i = 0; i < n; i++) {
    void *result;
    pthread_join(thread[i], &result);
    failed += result != NULL;
  }
  return failed ? 1 : 0;
}
