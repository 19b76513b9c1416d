/* Draws bytes over instants. */
#include "timeline.h"
#include "chart.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH  480
#define HEIGHT 280
#define LEFT   34
#define RIGHT  8
#define TOP    20
#define BOTTOM 26
#define LANE   16
/* Columns that areas are drawn in: of more instants than that the fullest of each column shows. */
#define COLUMNS 600
/* Height that areas are drawn in. */
#define UNITS 2000
/* Width of a letter of the lane. */
#define LETTER 6

const clg_role timeline_order[CLG_ROLE_COUNT] = {CLG_ROLE_PARAMETER, CLG_ROLE_OPTIMIZER,  CLG_ROLE_GRADIENT,
                                                 CLG_ROLE_DATA,      CLG_ROLE_ACTIVATION, CLG_ROLE_WORKSPACE,
                                                 CLG_ROLE_SAVED};

static double at_x(timeline_scale scale, double instant) {
  return LEFT + instant / (double)scale.instants * (WIDTH - LEFT - RIGHT);
}

static double at_y(timeline_scale scale, double bytes) {
  return HEIGHT - BOTTOM - bytes / (double)scale.bytes * (HEIGHT - TOP - BOTTOM);
}

/* ---- axes ---- */

static void draw_axes(html *h, timeline_scale scale) {
  bool mib = scale.bytes >= 1 << 20;
  double unit = mib ? 1048576 : 1024, end = (double)scale.bytes / unit, step = chart_tick_step(end);
  for (double at = 0; at <= end; at += step)
    html_put(h, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>",
             LEFT, at_y(scale, at * unit), WIDTH - RIGHT, LEFT - 5, at_y(scale, at * unit) + 4, at);
  html_put(h, "<text x=\"0\" y=\"13\">%s</text>", mib ? "MiB" : "KiB");
}

/* ---- areas ---- */

static uint64_t sum(const timeline_stack *s, size_t i, size_t parts) {
  uint64_t bytes = 0;
  for (size_t k = 0; k < parts; k++) bytes += s->bytes[i * s->parts + k];
  return bytes;
}

/* The fullest instant of those of a column. */
static size_t fullest(const timeline_stack *s, size_t from, size_t to) {
  size_t best = from;
  for (size_t i = from + 1; i < to; i++)
    if (sum(s, i, s->parts) > sum(s, best, s->parts)) best = i;
  return best;
}

/* All up to part k: what lies above is drawn before. */
static void draw_area(html *h, const timeline_stack *s, timeline_scale scale, size_t k) {
  size_t column = (s->n + COLUMNS - 1) / COLUMNS, drawn = 0;
  long last = UNITS;
  bool any = false;
  for (size_t i = 0; i < s->n && !any; i++) any = s->bytes[i * s->parts + k];
  if (!any) return;
  html_put(h, "<path class=\"role-%s\" d=\"M0 %d", clg_role_name(s->roles[k]), UNITS);
  for (size_t i = 0; i < s->n; i += column) {
    size_t end = i + column < s->n ? i + column : s->n;
    long y = lround(UNITS * (1 - (double)sum(s, fullest(s, i, end), k + 1) / (double)scale.bytes));
    if (y == last) continue;
    html_put(h, "h%zuv%ld", i - drawn, y - last);
    drawn = i, last = y;
  }
  html_put(h, "H%zuV%dz\"/>", s->n, UNITS);
}

/* ---- phases ---- */

static size_t number_of(const timeline_scale *scale, const char *phase) {
  size_t k = 0;
  while (k < scale->n_phases && strcmp(scale->phases[k], phase)) k++;
  return k;
}

/* Its number where that has room, and its name where that has. */
static void name_phase(html *h, timeline_scale scale, const char *name, double x, double width) {
  html_put(h, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%zu", x + width / 2, HEIGHT - BOTTOM + 3 + LANE - 4,
           number_of(&scale, name) + 1);
  if (width > LETTER * (double)(strlen(name) + 3)) {
    html_put(h, "<tspan> ");
    html_text(h, name);
    html_put(h, "</tspan>");
  }
  html_put(h, "</text>");
}

static void draw_phase(html *h, timeline_scale scale, const char *name, size_t from, size_t to, bool last) {
  double x = at_x(scale, (double)from), width = at_x(scale, (double)to) - x;
  html_put(h, "<g class=\"phase phase-%s\"><title>", *name == 'G' ? "g" : "d");
  html_text(h, name);
  html_put(h, "</title><rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>", x, HEIGHT - BOTTOM + 3, width, LANE);
  if (last || width > LETTER) name_phase(h, scale, name, x, width);
  html_put(h, "<path d=\"M%.1f %dV%d\"/></g>", x, TOP, HEIGHT - BOTTOM + 3 + LANE);
}

/* What leads to an instant is of the instant's phase. */
static void draw_phases(html *h, const record *of, timeline_scale scale) {
  size_t from = 0;
  for (size_t i = 1; i <= of->n_events; i++)
    if (i == of->n_events || of->events[i].phase != of->events[i - 1].phase) {
      draw_phase(h, scale, of->events[i - 1].phase, from, i + 1, i == of->n_events);
      from = i + 1;
    }
}

void timeline_begin(html *h, const record *of, const timeline_stack *stack, timeline_scale scale, const char *alt) {
  html_put(h, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
  html_text(h, alt);
  html_put(h, "\">");
  draw_axes(h, scale);
  html_put(h,
           "<svg class=\"areas\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %zu %d\" "
           "preserveAspectRatio=\"none\">",
           LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM, scale.instants, UNITS);
  for (size_t k = stack->parts; k-- > 0;) draw_area(h, stack, scale, k);
  html_put(h, "</svg>");
  draw_phases(h, of, scale);
}

void timeline_mark(html *h, timeline_scale scale, size_t instant, uint64_t bytes) {
  double x = at_x(scale, (double)instant + 0.5), y = at_y(scale, (double)bytes);
  bool right = x > WIDTH * 0.8;
  html_put(h,
           "<g class=\"mark\"><path d=\"M%.1f %dV%d\"/><circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/><text x=\"%.1f\" "
           "y=\"%.1f\"%s>%.2f MiB</text></g>",
           x, HEIGHT - BOTTOM, TOP, x, y, x + (right ? -7 : 7), y > TOP + 12 ? y - 6 : y + 5,
           right ? " text-anchor=\"end\"" : "", (double)bytes / 1048576);
}

void timeline_end(html *h) { html_put(h, "</svg>"); }

void timeline_extend(timeline_scale *scale, const record *of) {
  if (of->n_events + 1 > scale->instants) scale->instants = of->n_events + 1;
  if (of->peak_bytes > scale->bytes) scale->bytes = of->peak_bytes;
  for (size_t i = 0; i < of->n_events; i++) {
    size_t k = number_of(scale, of->events[i].phase);
    if (k == scale->n_phases && k < TIMELINE_PHASES) scale->phases[scale->n_phases++] = of->events[i].phase;
  }
}

void timeline_legend(html *h, timeline_scale scale) {
  html_put(h, "<ul class=\"legend\">");
  for (size_t k = CLG_ROLE_COUNT; k-- > 0;) {
    const char *name = clg_role_name(timeline_order[k]);
    html_put(h,
             "<li><svg viewBox=\"0 0 28 14\" aria-hidden=\"true\"><rect class=\"role-%s\" width=\"28\" "
             "height=\"14\"/></svg>%s</li>",
             name, name);
  }
  html_put(h, "</ul><ol class=\"legend phases\" aria-label=\"Phases\">");
  for (size_t k = 0; k < scale.n_phases; k++) {
    html_put(h, "<li class=\"phase-%s\">%zu ", *scale.phases[k] == 'G' ? "g" : "d", k + 1);
    html_text(h, scale.phases[k]);
    html_put(h, "</li>");
  }
  html_put(h, "</ol>");
}
