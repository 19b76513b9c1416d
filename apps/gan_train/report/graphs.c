/* The graph at each backward, a box a layer. */
#include "../graphs.h"
#include "sections.h"
#include <string.h>

static const char *network_of(const graph_box *box) {
  if (*box->layer == 'G') return "g";
  return *box->layer == 'D' ? "d" : "loss";
}

static const char *state_of(const graph_box *box, bool fails) {
  if (fails) return " fails";
  return box->released ? " released" : "";
}

static void put_box(html *h, const graph_box *box, bool fails) {
  html_put(h, "<li class=\"node node-%s%s\"><b>", network_of(box), state_of(box, fails));
  html_text(h, *box->layer ? box->layer : box->ops);
  html_put(h, "</b> ");
  if (*box->layer) html_text(h, box->ops);
  if (box->saved) html_put(h, " <span>%.4g KiB</span>", (double)box->saved / 1024);
  if (fails)
    html_put(h, " <em>fails</em>");
  else if (box->released)
    html_put(h, " <em>released</em>");
  html_put(h, "</li>");
}

static uint64_t saved_bytes(const graph_picture *p) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < p->n; i++) bytes += p->boxes[i].saved;
  return bytes;
}

static void put_picture(html *h, const graph_picture *p) {
  bool behind = !strncmp(p->when, "behind", 6);
  html_put(h, "<figure class=\"graph\"><figcaption>%s", p->when);
  html_put(h, " <small>%.2f MiB saved</small></figcaption><ol class=\"chain\">", (double)saved_bytes(p) / 1048576);
  for (size_t i = 0; i < p->n; i++) put_box(h, &p->boxes[i], !behind && i == p->fails);
  html_put(h, "%s</ol>", p->n ? "" : "<li class=\"soft\">they were made without one</li>");
  if (!behind && p->fails < p->n) {
    html_put(h, "<p class=\"fails\">Backward fails at %s in ", p->op);
    html_text(h, *p->boxes[p->fails].layer ? p->boxes[p->fails].layer : p->boxes[p->fails].phase);
    html_put(h, ": ");
    html_text(h, p->reason);
    html_put(h, "</p>");
  }
  html_put(h, "</figure>");
}

void section_graphs(html *h, const report *r) {
  bool first = true;
  html_put(
      h,
      "<p class=\"note\">What a backward has in front of it, from the first layer to the loss, and what each layer "
      "keeps for it. Grey: released, so that no other backward can pass.%s</p>"
      "<div class=\"choices\" role=\"radiogroup\" aria-label=\"Variant\">\n",
      r->setup->spec.shards > 1 ? " Of the last shard." : "");
  for (int i = 0; i < r->c->n; i++) {
    const char *name = variant_name(r->c->results[i].v);
    if (!r->c->results[i].record) continue;
    html_put(h, "<input type=\"radio\" name=\"graph\" id=\"graph-%s\"%s><label for=\"graph-%s\">%s</label>\n", name,
             first ? " checked" : "", name, name);
    first = false;
  }
  for (int i = 0; i < r->c->n; i++) {
    if (!r->c->results[i].record) continue;
    const graphs *g = &r->c->results[i].record->graphs;
    html_put(h, "<div class=\"panel\">");
    for (size_t k = 0; k < g->n; k++) put_picture(h, &g->pictures[k]);
    html_put(h, "</div>\n");
  }
  html_put(h, "</div>");
}
