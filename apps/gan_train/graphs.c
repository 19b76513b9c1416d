/* Walks over graphs and sums them up by layers. */
#include "graphs.h"
#include "grown.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct look {
  graphs *all;
  graph_picture *to;
} look;

static graph_box *find_box(look *l, const clg_graph_node *node) {
  graph_picture *p = l->to;
  for (size_t i = 0; i < p->n; i++)
    if (!strcmp(p->boxes[i].layer, node->layer) && !strcmp(p->boxes[i].phase, node->phase)) return &p->boxes[i];
  graph_box *all = grown(p->boxes, p->n, &p->room, sizeof *all);
  l->all->failed = l->all->failed || !all;
  if (!all) return NULL;
  p->boxes = all;
  graph_box *box = &p->boxes[p->n++];
  *box = (graph_box){.first = node->id};
  snprintf(box->layer, sizeof box->layer, "%s", node->layer);
  snprintf(box->phase, sizeof box->phase, "%s", node->phase);
  return box;
}

/* Each op once. */
static void add_op(graph_box *box, const char *op) {
  size_t n = strlen(box->ops);
  if (!strstr(box->ops, op)) snprintf(box->ops + n, sizeof box->ops - n, "%s%s", n ? ", " : "", op);
}

static bool on_node(void *user, const clg_graph_node *node) {
  look *l = user;
  graph_box *box = find_box(l, node);
  if (!box) return false;
  box->nodes++;
  box->released += node->state == CLG_GRAPH_RELEASED;
  box->changed += node->state == CLG_GRAPH_CHANGED;
  box->saved += node->saved_bytes;
  if (node->id < box->first) box->first = node->id;
  add_op(box, node->op);
  if (node->state == CLG_GRAPH_READY || *l->to->reason) return true;
  snprintf(l->to->reason, sizeof l->to->reason, "%s", node->reason);
  snprintf(l->to->op, sizeof l->to->op, "%s", node->op);
  l->to->fails = (size_t)(box - l->to->boxes);
  return true;
}

static int by_recording(const void *a, const void *b) {
  const graph_box *x = a, *y = b;
  return (x->first > y->first) - (x->first < y->first);
}

static graph_picture *find_picture(graphs *g, const char *when) {
  size_t i = 0;
  while (i < g->n && strcmp(g->pictures[i].when, when)) i++;
  if (i == GRAPHS_MOST) return NULL;
  if (i == g->n) snprintf(g->pictures[g->n++].when, GRAPHS_WHEN_TEXT, "%s", when);
  return &g->pictures[i];
}

void graphs_look(void *user, const char *when, clg_tensor *root) {
  graphs *g = user;
  graph_picture *p = find_picture(g, when);
  look l = {.all = g, .to = p};
  if (!p || g->failed || !root) return;
  p->n = 0;
  *p->reason = *p->op = 0;
  if (clg_graph_walk(root, on_node, &l) != CLG_OK) g->failed = true;
  if (g->failed) return;
  uint64_t failing = *p->reason ? p->boxes[p->fails].first : 0;
  if (p->n) qsort(p->boxes, p->n, sizeof *p->boxes, by_recording);
  for (p->fails = 0; p->fails < p->n && (!*p->reason || p->boxes[p->fails].first != failing);) p->fails++;
}

void graphs_free(graphs *g) {
  for (size_t i = 0; i < GRAPHS_MOST; i++) free(g->pictures[i].boxes);
}
