/* Progress on standard error. */
#include "progress.h"
#include "../building.h"
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define TERMINAL_EVERY_MS 100
#define PIPE_EVERY_MS     5000
#define USUAL_COLUMNS     80

double clock_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

void progress_begin(progress *p, bool on, const char *label, int64_t steps) {
  *p = (progress){.on = on, .terminal = isatty(STDERR_FILENO), .label = label, .steps = steps};
  p->last = clock_ms();
}

/* Of a line that can be written over: a longer one would wrap, and one that fills the last column may. */
static int line_room(const progress *p) {
  struct winsize size = {0};
  if (!p->terminal) return PROGRESS_LINE - 1;
  int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : USUAL_COLUMNS;
  return columns <= PROGRESS_LINE ? columns - 1 : PROGRESS_LINE - 1;
}

/* The part joins the line if there is room for it and for what must stand behind it. */
static void add_part(char line[PROGRESS_LINE], int room, const char *part, const char *behind) {
  size_t n = strlen(line);
  if ((int)(n + strlen(part) + strlen(behind)) <= room) strcpy(line + n, part);
}

static void make_line(const progress *p, int64_t step, const float losses[3], double now, char line[PROGRESS_LINE]) {
  char parts[4][PROGRESS_LINE] = {"", "", "", ""}, behind[2 * PROGRESS_LINE];
  int room = line_room(p);
  snprintf(parts[0], PROGRESS_LINE, "%s %lld/%lld", p->label, (long long)step, (long long)p->steps);
  if (losses)
    snprintf(parts[1], PROGRESS_LINE, "  D %.3f %.3f  G %.3f", (double)losses[0], (double)losses[1], (double)losses[2]);
  if (step > 1) {
    double ms = (now - p->begun) / (double)(step - 1);
    long long left = (long long)(ms * (double)(p->steps - step) * 1e-3 + 0.5);
    if (losses) snprintf(parts[2], PROGRESS_LINE, "  %.2f ms/step", ms);
    snprintf(parts[3], PROGRESS_LINE, "  %lld:%02lld left", left / 60, left % 60);
  }
  snprintf(line, PROGRESS_LINE, "%.*s", room > 0 ? room : 0, parts[0]);
  snprintf(behind, sizeof behind, "%s%s", parts[2], parts[3]);
  add_part(line, room, parts[1], behind);
  add_part(line, room, parts[2], "");
  add_part(line, room, parts[3], "");
}

/* Written over with blanks: not every terminal knows how to clear a line. */
static void show(progress *p, const char *line) {
  int n = (int)strlen(line), room = line_room(p), blanks = p->length - n;
  if (blanks > room - n) blanks = room - n;
  if (p->terminal)
    fprintf(stderr, "\r%s%*s%s", line, blanks > 0 ? blanks : 0, "", n ? "" : "\r");
  else
    fprintf(stderr, "%s\n", line);
  fflush(stderr);
  p->length = n;
}

void progress_step(progress *p, int64_t step, const float losses[3]) {
  char line[PROGRESS_LINE];
  if (!p->on) return;
  double now = clock_ms();
  if (step == 1) p->begun = now;
  bool due = now - p->last >= (p->terminal ? TERMINAL_EVERY_MS : PIPE_EVERY_MS);
  if (!due && !(p->terminal && step == p->steps)) return;
  p->last = now;
  building_clear();
  make_line(p, step, losses, now, line);
  show(p, line);
}

void progress_end(progress *p) {
  if (p->on && p->terminal && p->length) show(p, "");
}
