/* Generated items as a picture. */
#ifndef GAN_SAMPLES_H
#define GAN_SAMPLES_H

#include "data.h"
#include "result.h"
#include <stdio.h>

/* How many items a picture shows: a grid of 8 x 8 images, or the points of a scatter plot. */
size_t samples_wanted(const data *d);

/* Writes a PNG of r's samples; values outside [0,1] are clamped. */
bool samples_write(FILE *to, const data *d, const result *r, message *why);

#endif
