/* The line on kernels that are compiled: written over on a terminal, a line now and then elsewhere. */
#include "building.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* Seconds, where lines stay: what is over sooner needs none. */
#define FIRST_AFTER 1
#define EVERY       5

static int length; /* of what stands on the terminal's line */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void building_begin(building *b, bool on, uint64_t total) {
  *b = (building){.on = on, .total = total, .terminal = isatty(STDERR_FILENO)};
}

/* One that fits the terminal, where a longer one could not be written over. */
static int columns(void) {
  struct winsize size = {0};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col - 1 : 79;
}

static void write_over(const char *line) {
  int room = columns(), n = (int)strlen(line);
  if (n > room) n = room;
  int blanks = length > n ? length - n : 0;
  fprintf(stderr, "\r%.*s%*s%s", n, line, blanks, "", n ? "" : "\r");
  fflush(stderr);
  length = n;
}

void building_clear(void) {
  if (length) write_over("");
}

void building_note(void *user, uint64_t done, const char *name) {
  building *b = user;
  if (!b->on || !name) return;
  char line[128], of[32] = "";
  if (b->total && b->total <= done) b->total = done + 1;
  if (b->total) snprintf(of, sizeof of, " of %" PRIu64, b->total);
  snprintf(line, sizeof line, "compiling kernels for this device, once: %" PRIu64 "%s", done + 1, of);
  if (b->terminal && (int)strlen(line) > columns())
    snprintf(line, sizeof line, "compiling kernels: %" PRIu64 "%s", done + 1, of);
  if (b->terminal) {
    write_over(line);
    return;
  }
  double now = seconds();
  if (b->next <= 0) b->next = now + FIRST_AFTER;
  if (now < b->next) return;
  b->next = now + EVERY;
  fprintf(stderr, "%s\n", line);
}
