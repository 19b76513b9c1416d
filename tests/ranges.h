/* Rows of numbers of every range, and numbers of second order to define in double what ops make of them. */
#ifndef CLG_TESTS_RANGES_H
#define CLG_TESTS_RANGES_H

#include "hyper.h"
#include <stdint.h>

enum { MOST = 300 };
typedef enum kind { PLAIN, EQUAL, OUTLIER, NOT_FINITE } kind;
static const struct {
  const char *name;
  double shift, scale; /* elements are shift + scale*u, u in (-1,1) */
  kind kind;
  float odd; /* the element in the middle, of the last two kinds */
} ranges[] = {
    {"plain", 0, 1, PLAIN, 0},
    {"constant", 0.1, 0, EQUAL, 0},
    {"zeros", 0, 0, EQUAL, 0},
    {"large constant", 12345.678, 0, EQUAL, 0},
    {"huge constant", 1e30, 0, EQUAL, 0},
    {"1e4", 1e4, 1, PLAIN, 0},
    {"1e6", 1e6, 1, PLAIN, 0},
    {"1e10", 0, 1e10, PLAIN, 0},
    {"1e18", 0, 1e18, PLAIN, 0},
    {"1e20", 3e20, 1e20, PLAIN, 0},
    {"1e30", 0, 1e30, PLAIN, 0},
    {"1e38", 0, 1.5e38, PLAIN, 0},
    {"3e38", 2.4e38, 0.9e38, PLAIN, 0},
    {"1e-10", 0, 1e-10, PLAIN, 0},
    {"1e-20", 0, 1e-20, PLAIN, 0},
    {"1e-30", 2e-30, 1e-30, PLAIN, 0},
    {"1e-37", 0, 1e-37, PLAIN, 0},
    {"outlier", 0, 1, OUTLIER, 1e20f},
    {"large outlier", 0, 1, OUTLIER, -1e4f},
    {"nan", 0, 1, NOT_FINITE, NAN},
    {"inf", 0, 1, NOT_FINITE, INFINITY},
    {"-inf", 0, 1, NOT_FINITE, -INFINITY},
};
enum { ROWS = sizeof ranges / sizeof *ranges };

/* Numbers in (-1,1), none twice. */
static inline double unit(int i, int stream) {
  uint32_t h = (uint32_t)(i + 997 * stream + 1) * 2654435761u;
  h = (h ^ h >> 15) * 2246822519u;
  return (double)((h ^ h >> 13) >> 8) * 0x1p-23 - 1;
}
static inline void fill(int r, int n, int stream, float *x) {
  for (int i = 0; i < n; i++) x[i] = (float)(ranges[r].shift + ranges[r].scale * unit(i, stream));
  if (ranges[r].kind >= OUTLIER) x[n / 2] = ranges[r].odd;
}

#endif
