/* Runs the yardsticks: threads that each work on their own part, over and over, pinned where the system can. */
#define _GNU_SOURCE /* affinity */
#include "yardstick.h"
#include "bench.h"
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sched.h>
#endif

#define MAX_THREADS 256
#define PAGE        4096
#define CHUNK       16 /* floats, a cache line: parts end at its multiples */

typedef struct worker {
  const yardstick *y;
  yardstick_kind kind;
  int index, of, calls;
  pthread_barrier_t *start;
  double from, to;
} worker;

/* ---- the CPUs ---- */

#ifdef __linux__
static int cpus(void) {
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return n < MAX_THREADS ? n : MAX_THREADS;
}
/* The calling thread to the i-th CPU of those that it may use. */
static void pin(int i) {
  cpu_set_t set, one;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &set) && i-- == 0) CPU_SET(cpu, &one);
  pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}
#else
static int cpus(void) { return 1; }
static void pin(int i) { (void)i; }
#endif

/* ---- a thread ---- */

static void once(const worker *w) {
  size_t operands = w->kind == YARDSTICK_MEMCPY ? 2 : 3, n = w->y->bytes / operands / sizeof(float) / CHUNK * CHUNK;
  size_t lines = n / CHUNK, of = (size_t)w->of, i = (size_t)w->index;
  size_t begin = lines * i / of * CHUNK, end = lines * (i + 1) / of * CHUNK;
  float *to = w->y->memory + begin, *a = to + n;
  if (w->kind == YARDSTICK_MEMCPY)
    memcpy(to, a, (end - begin) * sizeof *to);
  else
    yardstick_triad(to, a, a + n, end - begin);
}

static void *work(void *data) {
  worker *w = data;
  pin(w->index);
  pthread_barrier_wait(w->start);
  w->from = bench_now();
  for (int c = 0; c < w->calls; c++) once(w);
  w->to = bench_now();
  return NULL;
}

/* Seconds a call of `of` threads, from the first one's start to the last one's end. */
static double seconds_of(const yardstick *y, yardstick_kind kind, int of, int calls) {
  pthread_t thread[MAX_THREADS];
  worker w[MAX_THREADS];
  pthread_barrier_t start;
  if (pthread_barrier_init(&start, NULL, (unsigned)of) != 0) return NAN;
  for (int i = 0; i < of; i++) {
    w[i] = (worker){.y = y, .kind = kind, .index = i, .of = of, .calls = calls, .start = &start};
    /* Those that wait at the barrier already would wait for ever. */
    if (pthread_create(&thread[i], NULL, work, &w[i]) != 0) fputs("bench: cannot start a thread\n", stderr), exit(1);
  }
  double from = INFINITY, to = 0;
  for (int i = 0; i < of; i++) {
    pthread_join(thread[i], NULL);
    from = fmin(from, w[i].from), to = fmax(to, w[i].to);
  }
  pthread_barrier_destroy(&start);
  return (to - from) / calls;
}

/* ---- rounds ---- */

static double seconds_in(const yardstick *y, yardstick_kind kind, int of, double seconds) {
  double once_s = seconds_of(y, kind, of, 1);
  int calls = (int)fmin(1e6, fmax(2, seconds / fmax(once_s, 1e-8)));
  return seconds_of(y, kind, of, calls);
}

static void choose_threads(yardstick *y, yardstick_kind kind) {
  double best = INFINITY;
  for (int of = 1, all = cpus(); of <= all; of = of < all && 2 * of > all ? all : 2 * of) {
    double t = fmin(seconds_in(y, kind, of, 0.004), seconds_in(y, kind, of, 0.004));
    if (t < best) best = t, y->threads[kind] = of;
  }
}

bool yardstick_begin(yardstick *y, double bytes) {
  size_t size = ((size_t)bytes + PAGE - 1) / PAGE * PAGE;
  *y = (yardstick){.bytes = (size_t)bytes, .memory = aligned_alloc(PAGE, size)};
  if (!y->memory) return false;
  memset(y->memory, 0, size);
  for (int k = 0; k < YARDSTICKS; k++) choose_threads(y, (yardstick_kind)k);
  return true;
}

void yardstick_end(yardstick *y) {
  free(y->memory);
  y->memory = NULL;
}

double yardstick_round(const yardstick *y, yardstick_kind kind, double seconds) {
  return (double)y->bytes / seconds_in(y, kind, y->threads[kind], seconds);
}
