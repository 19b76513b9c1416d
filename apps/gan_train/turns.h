/* Trainings that take turns, each in a context of its own and from the first weights. */
#ifndef GAN_TURNS_H
#define GAN_TURNS_H

#include "train.h"

typedef struct turn {
  variant v;
  uint64_t reserved; /* bytes that it will want of the device */
  clg_context *ctx;
  building compiling;
  result scratch;
  training t;
  bool training; /* t is to be closed */
} turn;

/* One that is to be opened, of a variant that ran. */
turn turn_of(const result *ran);
/* Whether the device has room for n of them at once. */
bool turns_fit(const turn *turns, int n, const clg_device_info *device);

bool turn_open(turn *t, const run_setup *setup, message *why);
/* Takes a number of the setup's steps: ms [n]. */
bool turn_steps(turn *t, int n, double *ms, message *why);
/* Takes one that was not opened, too. */
void turn_close(turn *t);

#endif
