/* Draws curves. */
#include "chart.h"
#include <inttypes.h>
#include <math.h>

#define WIDTH  460
#define HEIGHT 240
#define LEFT   54
#define RIGHT  10
#define TOP    12
#define BOTTOM 30
#define TICKS  4
/* Columns that a curve of more than twice as many values is drawn in: their means, before their spread. */
#define COLUMNS 100

typedef struct range {
  double low, high;
} range;

bool chart_sums_up(size_t n) { return n > 2 * COLUMNS; }

static range range_of(const chart *c) {
  range y = {INFINITY, -INFINITY};
  for (size_t k = 0; k < c->n; k++)
    for (size_t i = 0; i < c->curves[k].n; i++) {
      double value = (double)c->curves[k].y[i * c->curves[k].stride];
      if (!isfinite(value)) continue;
      y.low = fmin(y.low, value);
      y.high = fmax(y.high, value);
    }
  if (y.low > y.high) return (range){0, 1};
  if (y.low > 0 && y.low < 0.5 * y.high) y.low = 0;
  if (y.low == y.high) y.high = y.low + fmax(fabs(y.low), 1);
  return y;
}

double chart_tick_step(double span) {
  double rough = span / TICKS, power = pow(10, floor(log10(rough)));
  double digit = rough / power;
  double nice = 10;
  if (digit <= 5) nice = 5;
  if (digit <= 2) nice = 2;
  if (digit <= 1) nice = 1;
  return nice * power;
}

static size_t longest(const chart *c) {
  size_t n = 1;
  for (size_t k = 0; k < c->n; k++)
    if (c->curves[k].n > n) n = c->curves[k].n;
  return n;
}

static double at_y(double value, range y) {
  return HEIGHT - BOTTOM - (value - y.low) / (y.high - y.low) * (HEIGHT - TOP - BOTTOM);
}

static void draw_axes(html *h, const chart *c, range y) {
  double step = chart_tick_step(y.high - y.low);
  for (double tick = ceil(y.low / step) * step; tick <= y.high + 1e-9 * step; tick += step) {
    double at = at_y(tick, y);
    html_put(h, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>",
             LEFT, at, WIDTH - RIGHT, LEFT - 6, at + 4, fabs(tick) < 1e-9 * step ? 0 : tick);
  }
  size_t n = longest(c);
  html_put(h, "<text x=\"%d\" y=\"%d\">%s %" PRId64 "</text>", LEFT, HEIGHT - 8, c->unit, c->first);
  if (n > 1)
    html_put(h, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%" PRId64 "</text>", WIDTH - RIGHT, HEIGHT - 8,
             c->first + (int64_t)n - 1);
}

static void put_point(html *h, bool *begun, double x, double value, range y) {
  if (!isfinite(value)) return;
  html_put(h, "%s%.1f %.1f", *begun ? "L" : "M", x, at_y(value, y));
  *begun = true;
}

/* Of a column's values: least, mean and largest; NaN where none is a finite number. */
typedef struct column {
  double low, mean, high;
} column;

static column column_of(const chart_curve *curve, size_t k, size_t columns) {
  column c = {NAN, 0, NAN};
  size_t n = 0;
  for (size_t i = k * curve->n / columns; i < (k + 1) * curve->n / columns; i++) {
    double value = (double)curve->y[i * curve->stride];
    if (!isfinite(value)) continue;
    c.low = fmin(c.low, value), c.high = fmax(c.high, value);
    c.mean += value;
    n++;
  }
  c.mean = n ? c.mean / (double)n : NAN;
  return c;
}

static double column_x(const chart_curve *curve, size_t k, size_t columns, size_t longest) {
  double middle = ((double)k + 0.5) * (double)curve->n / (double)columns - 0.5;
  return LEFT + (longest > 1 ? middle / (double)(longest - 1) : 0.5) * (WIDTH - LEFT - RIGHT);
}

/* Behind the means of many values, from the least to the largest of each column. */
static void draw_band(html *h, const chart_curve *curve, size_t columns, size_t n, range y) {
  bool begun = false;
  html_put(h, "<path class=\"spread tone-%d\" d=\"", curve->tone);
  for (size_t k = 0; k < columns; k++)
    put_point(h, &begun, column_x(curve, k, columns, n), column_of(curve, k, columns).high, y);
  for (size_t k = columns; k-- > 0;)
    put_point(h, &begun, column_x(curve, k, columns, n), column_of(curve, k, columns).low, y);
  html_put(h, "z\"/>");
}

static size_t columns_of(const chart_curve *curve) { return chart_sums_up(curve->n) ? COLUMNS : curve->n; }

static void draw_curve(html *h, const chart_curve *curve, size_t n, range y) {
  size_t columns = columns_of(curve);
  bool begun = false;
  html_put(h, "<path class=\"curve tone-%d\" d=\"", curve->tone);
  for (size_t k = 0; k < columns; k++)
    put_point(h, &begun, column_x(curve, k, columns, n), column_of(curve, k, columns).mean, y);
  html_put(h, "\"/>");
}

void chart_draw(html *h, const chart *c) {
  range y = range_of(c);
  html_put(h, "<figure><figcaption>%s</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", c->title,
           WIDTH, HEIGHT);
  html_text(h, c->alt);
  html_put(h, "\">");
  draw_axes(h, c, y);
  /* The first lies on top. */
  for (size_t k = c->n; k-- > 0;)
    if (chart_sums_up(c->curves[k].n)) draw_band(h, &c->curves[k], columns_of(&c->curves[k]), longest(c), y);
  for (size_t k = c->n; k-- > 0;) draw_curve(h, &c->curves[k], longest(c), y);
  html_put(h, "</svg></figure>");
}
