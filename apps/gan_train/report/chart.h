/* Curves over steps, as SVG. */
#ifndef GAN_REPORT_CHART_H
#define GAN_REPORT_CHART_H

#include "html.h"
#include <stdint.h>

/* Classes tone-0 to tone-7 of the style, in order. */
#define CHART_TONES 8

typedef struct chart_curve {
  const float *y; /* [n * stride], every stride-th counts */
  size_t n, stride;
  int tone;
} chart_curve;

typedef struct chart {
  const char *title;
  const char *alt; /* what it shows, for who does not see it; may be of any kind */
  const chart_curve *curves;
  size_t n;
  int64_t first;    /* the number of the first value */
  const char *unit; /* "step" */
} chart;

/* 1, 2 or 5 times a power of ten, so that a few of them make the span. */
double chart_tick_step(double span);

/* Whether a curve of n values is one of means. */
bool chart_sums_up(size_t n);

/* A figure element. Values that are no finite numbers are left out. Of many the means of neighbours are drawn, and
 * behind them how far they spread. */
void chart_draw(html *h, const chart *c);

#endif
