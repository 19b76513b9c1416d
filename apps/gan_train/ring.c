/* The built-in data set: eight Gaussians in the plane, a usual test of whether a generator finds every mode. */
#include "data.h"
#include "random.h"
#include <math.h>
#include <stdlib.h>

void ring_centre(int mode, float xy[2]) {
  double angle = 6.283185307179586 * mode / RING_MODES;
  xy[0] = 0.5f + RING_RADIUS * (float)cos(angle);
  xy[1] = 0.5f + RING_RADIUS * (float)sin(angle);
}

bool ring_make(data *d, bool sizes_only, uint64_t seed, message *why) {
  d->is_ring = true;
  d->channels = d->height = 1, d->width = 2;
  if (sizes_only) return true;
  d->values = malloc(RING_POINTS * 2 * sizeof *d->values);
  d->labels = malloc(RING_POINTS);
  if (!d->values || !d->labels) return fail_no_memory(why);
  d->count = RING_POINTS;
  uint64_t state = random_mix(seed, UINT64_MAX); /* a stream that no epoch or step is keyed by */
  for (size_t i = 0; i < RING_POINTS; i++) {
    double noise[2];
    float centre[2];
    d->labels[i] = (uint8_t)(random_next(&state) % RING_MODES);
    ring_centre(d->labels[i], centre);
    random_normal_pair(&state, noise);
    d->values[2 * i] = centre[0] + RING_SIGMA * (float)noise[0];
    d->values[2 * i + 1] = centre[1] + RING_SIGMA * (float)noise[1];
  }
  return true;
}

/* The mode that a point is good for, or -1. */
static int mode_of(const float xy[2]) {
  for (int mode = 0; mode < RING_MODES; mode++) {
    float centre[2];
    ring_centre(mode, centre);
    if (hypotf(xy[0] - centre[0], xy[1] - centre[1]) <= RING_GOOD_SIGMAS * RING_SIGMA) return mode;
  }
  return -1;
}

ring_quality ring_judge(const float *points, size_t n) {
  size_t seen[RING_MODES] = {0}, good = 0;
  for (size_t i = 0; i < n; i++) {
    int mode = mode_of(points + 2 * i);
    if (mode < 0) continue;
    seen[mode]++;
    good++;
  }
  ring_quality q = {0, n ? (double)good / (double)n : 0};
  for (int mode = 0; mode < RING_MODES; mode++) q.modes += seen[mode] && 4 * RING_MODES * seen[mode] >= n;
  return q;
}
