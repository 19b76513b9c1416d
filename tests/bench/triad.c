/* The triad, compiled with the vectors of this machine. */
#include "yardstick.h"

void yardstick_triad(float *restrict to, const float *restrict a, const float *restrict b, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] = a[i] + 0.5f * b[i];
}
