/* Yardsticks that are not our own: memcpy and a triad in plain C, over 1 to n threads, on as many bytes as a case
 * moves. */
#ifndef BENCH_YARDSTICK_H
#define BENCH_YARDSTICK_H

#include <stdbool.h>
#include <stddef.h>

typedef enum yardstick_kind { YARDSTICK_MEMCPY, YARDSTICK_TRIAD, YARDSTICKS } yardstick_kind;

typedef struct yardstick {
  size_t bytes; /* of all operands together, so that what lies in a cache is compared in it */
  float *memory;
  int threads[YARDSTICKS]; /* the fastest count of 1, 2, 4, ... and all CPUs that this process may use */
} yardstick;

/* Tries the counts of threads. False: no memory or no thread; nothing is to be ended. */
bool yardstick_begin(yardstick *y, double bytes);
void yardstick_end(yardstick *y);
/* Bytes a second, each operand once, over about `seconds`; NAN when a thread does not start. */
double yardstick_round(const yardstick *y, yardstick_kind kind, double seconds);

/* to[i] = a[i] + 0.5 b[i]: a file of its own, compiled for the CPU that is here. */
void yardstick_triad(float *restrict to, const float *restrict a, const float *restrict b, size_t n);

#endif
