/* Generated items as a picture. */
#ifndef GAN_SAMPLES_H
#define GAN_SAMPLES_H

#include "data.h"
#include "output.h"

/* How many items a picture shows: a grid of 8 x 8 images, or the points of a scatter plot. */
size_t samples_wanted(const data *d);

/* The sides of that picture. */
void samples_size(const data *d, uint32_t *width, uint32_t *height);
/* A PNG of n items [n, features] in memory, n_bytes long, to be freed; values outside [0,1] are clamped. NULL: no
 * memory. */
void *samples_png(const data *d, const float *items, size_t n, size_t *n_bytes);
/* Writes a PNG of n items [n, features], which appears whole or not at all; values outside [0,1] are clamped. */
bool samples_save(const outputs *to, const char *path, const data *d, const float *items, size_t n, message *why);

#endif
