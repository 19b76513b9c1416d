/* Generated items as a picture. */
#ifndef GAN_SAMPLES_H
#define GAN_SAMPLES_H

#include "data.h"
#include "output.h"

/* How many items a picture shows: a grid of 8 x 8 images, or the points of a scatter plot. */
size_t samples_wanted(const data *d);

/* Writes a PNG of n items [n, features], which appears whole or not at all; values outside [0,1] are clamped. */
bool samples_save(const outputs *to, const char *path, const data *d, const float *items, size_t n, message *why);

#endif
