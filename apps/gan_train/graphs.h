/* The graph in front of each backward of a step, by layers, kept beyond the context that has it. */
#ifndef GAN_GRAPHS_H
#define GAN_GRAPHS_H

#include <clgrad/clgrad.h>
#include <stdbool.h>
#include <stddef.h>

#define GRAPHS_MOST      8
#define GRAPHS_BOX_TEXT  96
#define GRAPHS_WHEN_TEXT 48

/* The nodes that one layer recorded in one phase; those of no layer, of one phase. */
typedef struct graph_box {
  char layer[GRAPHS_BOX_TEXT], phase[GRAPHS_BOX_TEXT];
  char ops[GRAPHS_BOX_TEXT]; /* "linear, layer_norm" in the order of a backward; cut where there are many */
  uint64_t first;            /* id of the node that was recorded first */
  int nodes, released, changed;
  uint64_t saved; /* bytes */
} graph_box;

typedef struct graph_picture {
  char when[GRAPHS_WHEN_TEXT];
  graph_box *boxes; /* [n] in the order of recording */
  size_t n, room;
  size_t fails;     /* the box with the first node that a backward cannot run; n: none */
  char reason[512]; /* why it cannot */
  char op[GRAPHS_BOX_TEXT];
} graph_picture;

typedef struct graphs {
  graph_picture pictures[GRAPHS_MOST];
  size_t n;
  bool failed; /* no memory */
} graphs;

/* Keeps the graph of `root` as it is now, in the place of an older one of the same name. */
void graphs_look(void *graphs, const char *when, clg_tensor *root);
/* What it holds. */
void graphs_free(graphs *g);

#endif
