/* Memory by batch size, from plans that are made for the page. */
#include "../run.h"
#include "sections.h"
#include <inttypes.h>
#include <string.h>

/* 1, 2, 3, 4, 6, 8, 12, ... times the shards of a batch, and that of the run. */
#define SIZES     25
#define LAST_SIZE 4096
/* Of a shard, those that are looked at for one that fits. */
#define LARGEST ((int64_t)1 << 30)

static const unsigned limits[] = {4, 8, 16, 24}; /* GiB */
#define N_LIMITS (sizeof limits / sizeof *limits)

typedef struct planned {
  uint64_t live, saved, reserved;
  bool ok;
} planned;

static size_t list_sizes(const report *r, int64_t to[SIZES]) {
  size_t n = 0, at = 0;
  int64_t own = r->setup->spec.batch;
  to[n++] = r->setup->spec.shards;
  for (int64_t power = 2 * to[0]; power <= LAST_SIZE; power *= 2) {
    to[n++] = power;
    if (power < LAST_SIZE) to[n++] = power / 2 * 3;
  }
  while (at < n && to[at] < own) at++;
  if (at < n && to[at] == own) return n;
  memmove(to + at + 1, to + at, (n - at) * sizeof *to);
  to[at] = own;
  return n + 1;
}

static planned plan_of(html *h, const report *r, variant v, int64_t batch) {
  run_setup setup = *r->setup;
  result of = {0};
  message why = {""};
  if (h->failed) return (planned){.ok = false};
  setup.spec.batch = batch;
  setup.shape = r->c->results[0].device.shape;
  setup.n_samples = 0, setup.samples_every = 0, setup.record = false;
  setup.resume = NULL;
  bool ok = run_plan(&setup, v, NULL, &of, &why) && !of.failed;
  /* A batch may be too large for a tensor; no other error is an answer. */
  if (!ok && of.status != CLG_ERR_SHAPE) {
    fail(r->why, "a plan of batch %" PRId64 " for --report: %s", batch, why.text);
    h->failed = true;
  }
  planned p = {of.predicted_live, of.memory.peak_by_role[CLG_ROLE_SAVED], of.predicted_reserved, ok};
  result_free(&of);
  return p;
}

static bool fits(html *h, const report *r, variant v, int64_t of_shard, uint64_t limit, uint64_t *bytes) {
  planned p = plan_of(h, r, v, of_shard * r->setup->spec.shards);
  *bytes = p.reserved;
  return p.ok && p.reserved <= limit;
}

/* The largest batch of a shard with which reserved memory keeps to the limit; 0: none does. Memory grows nearly in
 * proportion, in steps. */
static int64_t largest_of_shard(html *h, const report *r, variant v, uint64_t limit) {
  uint64_t first, last;
  if (!fits(h, r, v, 1, limit, &first)) return 0;
  fits(h, r, v, LAST_SIZE, limit, &last);
  double each = last > first ? (double)(last - first) / (LAST_SIZE - 1) : 1;
  double guess = 1 + (double)(limit - first) / each;
  int64_t low = 1, high = LARGEST, step = guess < LARGEST / 2 ? (int64_t)guess / 256 + 1 : LARGEST / 256;
  uint64_t unused;
  /* A narrow bracket around the guess, else a wide one. */
  for (int64_t at = guess < LARGEST / 2 ? (int64_t)guess : LARGEST / 2; high - low > 2 * step;) {
    if (fits(h, r, v, at, limit, &unused)) {
      low = at;
      at = high == LARGEST && low + step < LARGEST ? low + step : low + (high - low) / 2;
    } else {
      high = at;
      at = low == 1 && high - step > 1 ? high - step : low + (high - low) / 2;
    }
    step = low > 1 && high < LARGEST ? step : 2 * step;
  }
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    if (fits(h, r, v, middle, limit, &unused))
      low = middle;
    else
      high = middle;
  }
  return low;
}

static bool shown(const result *of) { return !variant_must_fail(of->v); }

static void put_heads(html *h, const report *r) {
  for (int i = 0; i < r->c->n; i++)
    if (shown(&r->c->results[i])) html_put(h, "<th scope=\"col\">%s</th>", variant_name(r->c->results[i].v));
}

/* In groups of three digits. */
static void put_batch(html *h, int64_t batch) {
  char digits[24];
  int n = snprintf(digits, sizeof digits, "%" PRId64, batch);
  html_put(h, "<td><data value=\"%s\">", digits);
  for (int i = 0; i < n; i++) html_put(h, "%s%c", i && (n - i) % 3 == 0 ? "&#8239;" : "", digits[i]);
  html_put(h, "</data></td>");
}

static void put_fits(html *h, const report *r) {
  html_put(
      h, "<h3>The largest batch that fits</h3><div class=\"wide\" tabindex=\"0\" role=\"region\" "
         "aria-label=\"Largest batches\"><table id=\"fits\"><caption>All memory that a step reserves on the device is "
         "counted.</caption><thead><tr><th scope=\"col\">variant</th>");
  for (size_t k = 0; k < N_LIMITS; k++) html_put(h, "<th scope=\"col\">in %u GiB</th>", limits[k]);
  html_put(h, "</tr></thead><tbody>");
  for (int i = 0; i < r->c->n; i++) {
    variant v = r->c->results[i].v;
    if (!shown(&r->c->results[i])) continue;
    html_put(h, "<tr><th scope=\"row\">%s</th>", variant_name(v));
    for (size_t k = 0; k < N_LIMITS; k++) {
      int64_t batch = largest_of_shard(h, r, v, (uint64_t)limits[k] << 30) * r->setup->spec.shards;
      if (batch)
        put_batch(h, batch);
      else
        html_put(h, "<td>none</td>");
    }
    html_put(h, "</tr>");
  }
  html_put(h, "</tbody></table></div>");
}

static void put_cell(html *h, planned p) {
  if (!p.ok) {
    html_put(h, "<td>-</td>");
    return;
  }
  html_put(h, "<td>");
  html_figure(h, (double)p.live, NULL, "%.2f", (double)p.live / 1048576);
  html_put(h, "<small>");
  html_figure(h, (double)p.saved, NULL, "%.2f", (double)p.saved / 1048576);
  html_put(h, "</small></td>");
}

static void put_sizes(html *h, const report *r) {
  int64_t sizes[SIZES];
  size_t n = list_sizes(r, sizes);
  html_put(h,
           "<details class=\"printed\"><summary>Peaks at %zu batch sizes</summary><div class=\"wide\" tabindex=\"0\" "
           "role=\"region\" aria-label=\"Peaks by batch size\"><table id=\"batches\"><caption>Peak of live memory, and "
           "below it saved tensors at that peak, MiB.</caption><thead><tr><th scope=\"col\">batch</th>",
           n);
  put_heads(h, r);
  html_put(h, "</tr></thead><tbody>");
  for (size_t k = 0; k < n; k++) {
    html_put(h, "<tr><th scope=\"row\">%" PRId64 "</th>", sizes[k]);
    for (int i = 0; i < r->c->n; i++)
      if (shown(&r->c->results[i])) put_cell(h, plan_of(h, r, r->c->results[i].v, sizes[k]));
    html_put(h, "</tr>");
  }
  html_put(h, "</tbody></table></div></details>");
}

void section_batches(html *h, const report *r) {
  bool any = false;
  for (int i = 0; i < r->c->n; i++) any = any || shown(&r->c->results[i]);
  if (!any) {
    html_put(h, "<p>What is shown here ends with an error: there is no batch to choose.</p>");
    return;
  }
  html_put(
      h,
      "<p class=\"note\">Predicted for this model by plans, from shapes alone, when the page was made.</p>"
      "<div class=\"slider scripted\" hidden><label for=\"batch\">Batch size <output id=\"batch-size\"></output>"
      "</label><input type=\"range\" id=\"batch\" min=\"0\" step=\"1\" data-batch=\"%lld\"><div "
      "id=\"batch-bars\"></div><ul class=\"legend\"><li><svg viewBox=\"0 0 28 14\" aria-hidden=\"true\"><rect "
      "class=\"role-saved\" width=\"28\" height=\"14\"/></svg>saved for backward</li><li><svg viewBox=\"0 0 28 14\" "
      "aria-hidden=\"true\"><rect class=\"role-optimizer\" width=\"28\" height=\"14\"/></svg>all else at the "
      "peak</li></ul></div>",
      (long long)r->setup->spec.batch);
  put_fits(h, r);
  put_sizes(h, r);
}
