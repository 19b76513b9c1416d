/* The ways to write the discriminator's half of a GAN step. */
#ifndef GAN_VARIANT_H
#define GAN_VARIANT_H

#include <stdbool.h>
#include <stddef.h>

typedef enum variant {
  VARIANT_DETACH,       /* D(fake.detach()) */
  VARIANT_RETAIN_GRAPH, /* D(fake), backward(retain_graph=True) */
  VARIANT_INPUTS,       /* D(fake), backward(inputs=D.parameters()) */
  VARIANT_RECOMPUTE,    /* D(fake), plain backward; then G(z) again */
  VARIANT_NO_GRAD,      /* fake made under no_grad; then G(z) again */
  VARIANT_FROZEN_D,     /* as detach; D's parameters do not require grad in G's half */
  VARIANT_CHECKPOINT,   /* as detach; G and D recompute their activations, block by block */
  VARIANT_POLLUTED,     /* as retain_graph, G's zero_grad not before its backward: trains by other gradients */
  VARIANT_ONE_STAGE,    /* G learns from D's own backward of the fakes: another algorithm (arXiv 2103.00430) */
  VARIANT_NAIVE,        /* D(fake), plain backward, nothing else: fails */
  VARIANT_STALE,        /* as retain_graph, but G's loss uses D's output of before D's step: fails */
  VARIANT_COUNT
} variant;

const char *variant_name(variant v);
/* What it does, for --help. */
const char *variant_summary(variant v);
bool variant_must_fail(variant v);
/* Not the same training written otherwise: its weights are compared with nobody's. */
bool variant_other_algorithm(variant v);
/* The variant of this name, n characters long; VARIANT_COUNT if there is none. */
variant variant_find(const char *name, size_t n);

#endif
