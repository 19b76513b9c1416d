/* Progress on standard error: one line that changes on a terminal, a line now and then elsewhere. */
#ifndef GAN_PROGRESS_H
#define GAN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Room for a line; on a terminal it is never wider than that. */
#define PROGRESS_LINE 160

typedef struct progress {
  bool on, terminal;
  int length;        /* of what stands on the terminal's line */
  const char *label; /* the variant, or what else has steps */
  int64_t steps;
  double begun; /* when step 1 was done: it compiles kernels and tells nothing about the others */
  double last;
} progress;

/* Milliseconds of a clock that never goes back. */
double clock_ms(void);

void progress_begin(progress *p, bool on, const char *label, int64_t steps);
/* `step` of p->steps is done; losses are D real, D fake, G, or NULL where there are none to tell. */
void progress_step(progress *p, int64_t step, const float losses[3]);
/* Takes the line off the terminal. */
void progress_end(progress *p);

#endif
