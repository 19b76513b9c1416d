/* Host random numbers: the order of the images and the points of the ring. The device has its own stream. */
#ifndef GAN_RANDOM_H
#define GAN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* A well mixed key for item `index` of the stream `seed`: what epoch and step streams are keyed by. */
uint64_t random_mix(uint64_t seed, uint64_t index);
/* Advances the state (Steele et al., splitmix64). */
uint64_t random_next(uint64_t *state);
/* Two standard normal numbers (Box-Muller). */
void random_normal_pair(uint64_t *state, double pair[2]);
/* 0..n-1 in random order (Fisher-Yates). */
void random_order(uint64_t seed, uint32_t *order, size_t n);

#endif
