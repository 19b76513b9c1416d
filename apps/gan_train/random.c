/* Host random numbers. */
#include "random.h"
#include <math.h>

uint64_t random_next(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

uint64_t random_mix(uint64_t seed, uint64_t index) {
  uint64_t state = seed;
  state = random_next(&state) + index;
  return random_next(&state);
}

void random_normal_pair(uint64_t *state, double pair[2]) {
  double u = ((double)(random_next(state) >> 11) + 1) * 0x1p-53; /* (0, 1]: the logarithm is finite */
  double angle = 6.283185307179586 * 0x1p-53 * (double)(random_next(state) >> 11);
  double radius = sqrt(-2 * log(u));
  pair[0] = radius * cos(angle);
  pair[1] = radius * sin(angle);
}

void random_order(uint64_t seed, uint32_t *order, size_t n) {
  for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
  for (size_t i = n; i > 1; i--) {
    size_t j = (size_t)(random_next(&seed) % i);
    uint32_t swap = order[i - 1];
    order[i - 1] = order[j];
    order[j] = swap;
  }
}
