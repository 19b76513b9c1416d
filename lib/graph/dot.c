/* The graph as a picture, in Graphviz' language. */
#include "base/output.h"
#include "base/text.h"
#include "graph/graph.h"
#include "graph/seen.h"
#include <clgrad/graph.h>

typedef struct picture {
  clg_context *ctx;
  clg_write_fn fn;
  void *user;
  clg_status status;
  clg_seen leaves;
  clg_str text; /* of the node that is shown */
} picture;

/* What was added goes out. */
static bool put(picture *p) {
  if (p->text.failed) p->status = clg_fail(p->ctx, CLG_ERR_HOST_MEMORY, "graph_dot", "out of host memory");
  if (p->status == CLG_OK && p->text.len) p->status = p->fn(p->user, p->text.data, p->text.len);
  p->text.len = 0;
  return p->status == CLG_OK;
}

static void add_shape(clg_str *s, int ndim, const int64_t *shape) {
  char text[CLG_SHAPE_TEXT];
  clg_str_add(s, ndim < 0 ? "?" : clg_shape_text(ndim, shape, text));
}

static void add_label(clg_str *s, const clg_graph_node *n) {
  clg_str_add(s, "label=\"");
  clg_str_add_escaped(s, n->op);
  clg_str_add(s, "\\n");
  for (size_t i = 0; i < n->n_inputs; i++) {
    add_shape(s, n->input[i].ndim, n->input[i].shape);
    clg_str_add(s, " ");
  }
  clg_str_add(s, "→ ");
  add_shape(s, n->ndim, n->shape);
  if (n->saved_bytes) clg_str_addf(s, "\\nsaves %llu bytes", (unsigned long long)n->saved_bytes);
  if (n->state != CLG_GRAPH_READY) clg_str_addf(s, "\\n%s", clg_graph_state_name(n->state));
  clg_str_add(s, "\"");
}

static void add_tooltip(clg_str *s, const clg_graph_node *n) {
  clg_str_add(s, ", tooltip=\"");
  clg_str_add_escaped(s, *n->reason ? n->reason : n->phase);
  clg_str_add(s, "\"");
}

/* Graphviz puts the parts of a frame together that have the same name. */
static void add_node(clg_str *s, const clg_graph_node *n) {
  static const char *const look[] = {"", ", color=gray60, fontcolor=gray50, style=dashed",
                                     ", color=red, fontcolor=red, penwidth=2"};
  bool framed = *n->layer;
  if (framed) {
    clg_str_add(s, "  subgraph \"cluster_");
    clg_str_add_escaped(s, n->layer);
    clg_str_add(s, "\" { label=");
    clg_str_add_quoted(s, n->layer);
    clg_str_add(s, "; color=gray80;\n");
  }
  clg_str_addf(s, "  n%llu [", (unsigned long long)n->id);
  add_label(s, n);
  add_tooltip(s, n);
  clg_str_add(s, look[n->state]);
  clg_str_add(s, framed ? "];\n  }\n" : "];\n");
}

static bool add_edge(picture *p, const clg_graph_node *n, const clg_graph_input *input) {
  unsigned long long to = n->id;
  if (input->node) clg_str_addf(&p->text, "  n%llu -> n%llu;\n", (unsigned long long)input->node, to);
  if (!input->leaf) return true;
  bool fresh;
  size_t number = clg_seen_number(&p->leaves, input->leaf, &fresh);
  if (!number) return false;
  if (fresh) {
    clg_str_addf(&p->text, "  t%zu [shape=ellipse, style=dashed, label=\"leaf ", number);
    add_shape(&p->text, input->ndim, input->shape);
    clg_str_add(&p->text, "\"];\n");
  }
  clg_str_addf(&p->text, "  t%zu -> n%llu;\n", number, to);
  return true;
}

static bool draw(void *user, const clg_graph_node *n) {
  picture *p = user;
  add_node(&p->text, n);
  for (size_t i = 0; i < n->n_inputs; i++)
    if (!add_edge(p, n, &n->input[i])) p->text.failed = true;
  return put(p);
}

clg_status clg_graph_dot_write(clg_tensor *root, clg_write_fn fn, void *user) {
  if (!root || !fn) return clg_null(root ? root->ctx : NULL, "graph_dot");
  picture p = {.ctx = root->ctx, .fn = fn, .user = user};
  clg_str_add(&p.text, "digraph clgrad {\n  node [shape=box, fontname=\"sans-serif\", fontsize=10];\n");
  clg_status s = put(&p) ? clg_graph_walk(root, draw, &p) : p.status;
  if (s == CLG_OK && p.status == CLG_OK) {
    clg_str_add(&p.text, "}\n");
    put(&p);
  }
  clg_str_free(&p.text);
  clg_seen_free(&p.leaves);
  return s == CLG_OK ? p.status : s;
}

static clg_status to_file(void *user, const char *text, size_t n) { return clg_output_write(user, text, n); }

clg_status clg_graph_dot(clg_tensor *root, const char *path) {
  static const char op[] = "graph_dot";
  if (!root) return clg_null(NULL, op);
  clg_output out;
  clg_status s = clg_output_open(&out, root->ctx, op, path);
  if (s != CLG_OK) return s;
  s = clg_graph_dot_write(root, to_file, &out);
  if (s == CLG_OK) return clg_output_commit(&out);
  clg_output_discard(&out);
  return s;
}
