/* What the ranks of one training do together: they begin with the same, and what each took is gathered. */
#ifndef GAN_TOGETHER_H
#define GAN_TOGETHER_H

#include "train.h"

/* Joins the team, makes sure that all ranks are of one training, and takes rank 0's weights. One process: nothing. */
bool together_begin(training *t, message *why);
/* The first of several steps is over, which compiles kernels: figures count from here on. */
void together_count(training *t);
/* Gathers the figures into t->r->ranks, at the end; and whether all have the same weights. */
bool together_end(training *t, message *why);

#endif
