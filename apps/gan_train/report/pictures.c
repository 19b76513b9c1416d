/* Samples of each variant. A picture that several have is in the file once. */
#include "../samples.h"
#include "sections.h"
#include <stdlib.h>
#include <string.h>

static bool same_samples(const result *a, const result *b, size_t features) {
  return a->samples && b->samples && a->n_samples == b->n_samples &&
         !memcmp(a->samples, b->samples, a->n_samples * features * sizeof *a->samples);
}

/* The first variant with these samples. */
static int first_like(const comparison *c, int i, size_t features) {
  int k = 0;
  while (k < i && !same_samples(&c->results[k], &c->results[i], features)) k++;
  return k;
}

static void put_image(html *h, const report *r, const result *of, int id) {
  uint32_t width, height;
  size_t n;
  samples_size(r->setup->data, &width, &height);
  void *file = samples_png(r->setup->data, of->samples, of->n_samples, &n);
  if (!file) {
    h->failed = true;
    return;
  }
  html_put(h, "<image id=\"picture-%d\" width=\"%u\" height=\"%u\" href=\"data:image/png;base64,", id, width, height);
  html_base64(h, file, n);
  html_put(h, "\"/>");
  free(file);
}

static void put_figure(html *h, const report *r, int i) {
  const data *d = r->setup->data;
  const result *of = &r->c->results[i];
  int first = first_like(r->c, i, d->features);
  uint32_t width, height;
  samples_size(d, &width, &height);
  html_put(h, "<figure><svg viewBox=\"0 0 %u %u\" role=\"img\" aria-label=\"%zu %s of %s after %lld steps\">", width,
           height, of->n_samples, d->is_ring ? "points" : "images", variant_name(of->v), (long long)of->steps_done);
  if (first == i)
    put_image(h, r, of, i);
  else
    html_put(h, "<use href=\"#picture-%d\"/>", first);
  html_put(h, "</svg><figcaption>%s", variant_name(of->v));
  if (first != i)
    html_put(h, "<small>the same as %s&rsquo;s, to the bit</small>", variant_name(r->c->results[first].v));
  if (d->is_ring) {
    char from[POINTER_ROOM];
    ring_quality q = ring_judge(of->samples, of->n_samples);
    report_pointer(from, r, of, "ring/modes_covered");
    html_put(h, "<small>");
    html_figure(h, q.modes, from, "%d", q.modes);
    html_put(h, " of %d modes covered</small>", RING_MODES);
  }
  html_put(h, "</figcaption></figure>");
}

void section_samples(html *h, const report *r) {
  bool any = false;
  for (int i = 0; i < r->c->n; i++) any = any || r->c->results[i].samples;
  if (!any) {
    html_put(h, "<p>%s</p>",
             r->c->plan ? "A plan trains nothing: there are no samples."
                        : "The run did not last until samples are drawn.");
    return;
  }
  html_put(h, "<p class=\"note\">From the same noise for each variant%s.</p><div class=\"pictures\">",
           r->setup->data->is_ring ? "; grey: the eight modes of the data" : "");
  for (int i = 0; i < r->c->n; i++)
    if (r->c->results[i].samples) put_figure(h, r, i);
  html_put(h, "</div>");
}
