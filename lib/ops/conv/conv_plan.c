/* How the kernels of convolutions cut their work. */
#include "ops/conv/conv_plan.h"
#include "base/ceil_div.h"
#include "kernel/constants.h"

enum {
  ROW = 32,                          /* most outputs of a row in a block */
  SPARE_ROWS = PIECE_ROWS_OF(LANES), /* sums that the last piece of a block may reach beyond it */
  PIXELS = 64,                       /* outputs of a block where there is little work */
  WGRAD_TAPS = 256,                  /* channels x taps of a weight gradient's item */
  FEW_CHANNELS = 4,                  /* most on both sides of the weight gradient of few */
  FEW_STEPS = 64,                    /* of a sum, up to which more outputs than CONV_FEW_ROWS have the kernel for few */
  FEW_BLOCK = 256,                   /* outputs of its blocks at least, */
  FEW_TOGETHER = 8,                  /* input channels that it holds together, */
  FEW_WORK = 1 << 16,                /* and multiplications of an item, of several groups if need be */
  ITEMS = 32,                        /* fewer leave compute units without work */
  CHUNKS = 16,                       /* most of a sum */
  LONE_STRIDE = 8                    /* of an axis with one output, where any stride gives the same */
};

static int min(int a, int b) { return a < b ? a : b; }
static int max(int a, int b) { return a > b ? a : b; }
int64_t clg_conv_plan_blocks(const clg_conv_plan *p) {
  return (int64_t)CLG_CEIL_DIV(p->batch, p->images) * p->blocks[0] * p->blocks[1];
}
static int64_t phases_of(const clg_conv_plan *p) { return (int64_t)p->out_s[0] * p->out_s[1]; }

static clg_conv_plan plan_of(const clg_conv_shape *c, bool dgrad) {
  clg_conv_plan p = {.in_ch = c->c / c->groups, .out_ch = c->o / c->groups, .batch = c->batch, .groups = c->groups};
  if (dgrad) p.in_ch = c->o / c->groups, p.out_ch = c->c / c->groups;
  p.images = p.per = 1;
  for (int a = 0; a < 2; a++) {
    int stride = c->out[a] == 1 ? min(c->stride[a], LONE_STRIDE) : c->stride[a];
    p.in[a] = dgrad ? c->out[a] : c->in[a];
    p.out[a] = dgrad ? c->in[a] : c->out[a];
    p.in_s[a] = dgrad ? 1 : stride;
    p.out_s[a] = dgrad ? stride : 1;
    p.q[a] = CLG_CEIL_DIV(p.out[a], p.out_s[a]);
    p.k[a] = c->kernel[a], p.pad[a] = c->padding[a], p.dil[a] = c->dilation[a];
  }
  return p;
}

/* The range of offsets that the taps of all phases read at, along one axis. */
static void tap_range(const clg_conv_plan *p, bool dgrad, int a, int *low, int *high) {
  *low = -p->pad[a];
  *high = (p->k[a] - 1) * p->dil[a] - p->pad[a];
  if (!dgrad) return;
  /* Tap t serves the phase r < stride with r + pad - t*dil = stride * offset, if there is one: offset is the quotient
   * rounded up. */
  int first = p->pad[a], last = p->pad[a] - (p->k[a] - 1) * p->dil[a], s = p->out_s[a];
  *high = CLG_CEIL_DIV(first, s);
  *low = CLG_CEIL_DIV(last, s);
}

/* What a block of rows x cols reads, where taps reach from p->min to `high`; and how many blocks there are. */
static void set_patch(clg_conv_plan *p, const int high[2]) {
  p->patch[0] = (p->rows - 1) * p->in_s[0] + high[0] - p->min[0] + 1;
  p->patch[1] = (p->cols - 1) * p->in_s[1] + high[1] - p->min[1] + 1;
  p->blocks[0] = CLG_CEIL_DIV(p->q[0], p->rows), p->blocks[1] = CLG_CEIL_DIV(p->q[1], p->cols);
}

/* Cuts q into blocks of at most `pixels`, rows of at most ROW, so that a patch of `together` channels fits if rows need
 * not be shorter for it, and the channels into chunks. False: no patch fits. */
static bool cut(clg_conv_plan *p, bool dgrad, int pixels, int together) {
  int high[2];
  for (int a = 0; a < 2; a++) tap_range(p, dgrad, a, &p->min[a], &high[a]);
  p->cols = CLG_CEIL_DIV(p->q[1], CLG_CEIL_DIV(p->q[1], min(ROW, pixels)));
  p->rows = min(p->q[0], pixels / p->cols);
  p->rows = CLG_CEIL_DIV(p->q[0], CLG_CEIL_DIV(p->q[0], p->rows));
  for (;; p->rows = (p->rows + 1) / 2) {
    set_patch(p, high);
    int64_t plane = (int64_t)p->patch[0] * p->patch[1], taps = (int64_t)p->k[0] * p->k[1];
    if (plane <= CONV_PATCH / (p->rows > 1 ? together : 1) && taps <= CONV_OFFSETS) {
      p->chunk = min(p->in_ch, min((int)(CONV_PATCH / plane), (int)(CONV_OFFSETS / taps)));
      return true;
    }
    if (p->rows == 1) return false;
  }
}

/* The same for the kernels for few channels: patches of `together` channels and sums, `held` for each output, fit, and
 * where there is little work blocks are small. */
static bool cut_few(clg_conv_plan *p, bool dgrad, int held, int together) {
  const int64_t taps = (int64_t)p->k[0] * p->k[1];
  int high[2];
  for (int a = 0; a < 2; a++) tap_range(p, dgrad, a, &p->min[a], &high[a]);
  p->rows = p->q[0], p->cols = p->q[1];
  for (;;) {
    set_patch(p, high);
    const int64_t pitch = CLG_CEIL_DIV(p->patch[1], p->in_s[1]), h = CLG_CEIL_DIV(p->patch[0], p->in_s[0]);
    const int64_t plane = p->in_s[0] * pitch * p->in_s[1] * h, sums = (p->rows - 1) * pitch + p->cols;
    const bool fits = plane <= CONV_PATCH / together && CLG_CEIL_DIV(sums, LANES) * LANES <= CONV_FEW_SUMS / held;
    const bool idle =
        clg_conv_plan_blocks(p) * p->groups < ITEMS && p->rows > 1 && (int64_t)p->rows * p->cols > FEW_BLOCK;
    if (fits && !idle) {
      p->chunk = min(p->in_ch, min((int)(CONV_PATCH / plane), (int)(CONV_OFFSETS / taps)));
      return p->chunk >= together;
    }
    if (p->rows == 1 && p->cols <= ROW) return false;
    if (p->rows > 1)
      p->rows = (p->rows + 1) / 2;
    else
      p->cols = (p->cols + 1) / 2;
  }
}

/* More outputs than CONV_FEW_ROWS pay if the kernel for pairs would leave lanes without work, or spend its time on
 * weights and results; weights of dgrad lie apart from each other. */
static bool wants_few(const clg_conv_plan *p, bool dgrad) {
  const int64_t steps = (int64_t)p->k[0] * p->k[1] * p->in_ch / phases_of(p);
  if (p->out_ch <= CONV_FEW_ROWS) return true;
  if (p->out_ch < LANES) return steps <= 2 * PANEL_K;
  return !dgrad && steps <= FEW_STEPS && p->k[0] >= p->in_s[0] && p->k[1] >= p->in_s[1];
}

static bool plan_few(clg_conv_plan *p, bool dgrad) {
  const int64_t taps = (int64_t)p->k[0] * p->k[1], phases = phases_of(p);
  const int together = p->out_ch <= CONV_FEW_ROWS ? min(p->in_ch, FEW_TOGETHER) : p->in_ch;
  if (phases > CONV_PHASES || taps > CONV_OFFSETS ||
      !cut_few(p, dgrad, min(p->out_ch, CONV_FEW_ROWS) * (int)phases, together))
    return false;
  const int64_t work = taps * p->rows * p->cols * p->in_ch * p->out_ch, items = clg_conv_plan_blocks(p) * p->groups;
  p->per = max(1, (int)(work < FEW_WORK ? FEW_WORK / work : 1));
  p->per = max(1, (int)(items / ITEMS < p->per ? items / ITEMS : p->per));
  p->per = CLG_CEIL_DIV(p->groups, CLG_CEIL_DIV(p->groups, p->per));
  return true;
}

/* Several small images at a time, that weights are read for more than one; of no fewer than `channels` together. */
static void take_images(clg_conv_plan *p, int pixels, int channels) {
  const int plane = p->patch[0] * p->patch[1];
  if (p->blocks[0] * p->blocks[1] > 1) return;
  p->images = max(1, min(pixels / (p->q[0] * p->q[1]), CONV_PATCH / (channels * plane)));
  p->images = CLG_CEIL_DIV(p->batch, CLG_CEIL_DIV(p->batch, p->images));
  p->chunk = min(p->chunk, CONV_PATCH / (p->images * plane));
}

/* Most taps of a phase along one axis. */
static int phase_taps(const clg_conv_plan *p, int a) {
  int every = 1;
  while (every < p->k[a] && (int64_t)every * p->dil[a] % p->out_s[a]) every++;
  return CLG_CEIL_DIV(p->k[a], every);
}

/* Blocks of at most `pixels` outputs. A sum is made in panels of so many channels that no phase has more than PANEL_K
 * steps of them, however many an item holds: several panels, unless a row's patch is too large. */
static bool plan_pairs(clg_conv_plan *p, bool dgrad, int pixels) {
  const int phases = (int)phases_of(p), pairs = CLG_CEIL_DIV(p->out_ch, CONV_PAIR);
  p->panel = max(1, (int)PANEL_K / (phase_taps(p, 0) * phase_taps(p, 1)));
  const int together = min(p->in_ch, p->panel);
  if (!cut(p, dgrad, pixels, together)) return false;
  take_images(p, pixels, min(p->chunk, together));
  if (p->chunk < p->in_ch && p->chunk > p->panel) p->chunk -= p->chunk % p->panel;
  const int sums = (p->images * p->rows * p->cols + SPARE_ROWS) * phases * CONV_PAIR;
  const int blocks = (int)clg_conv_plan_blocks(p) * p->groups;
  p->per = max(1, pairs / CLG_CEIL_DIV(ITEMS, blocks));
  if (p->chunk < p->in_ch) p->per = min(p->per, CONV_SUMS / sums); /* which wait for the next channels */
  if (p->per) p->per = CLG_CEIL_DIV(pairs, CLG_CEIL_DIV(pairs, p->per));
  return p->per && sums <= CONV_SUMS;
}

/* As large as they may be while there is work for all. */
static bool plan_blocks(clg_conv_plan *p, bool dgrad) {
  const clg_conv_plan whole = *p;
  if (phases_of(p) > CONV_PHASES) return false;
  for (int pixels = CONV_PIXELS;; pixels = max(PIXELS, pixels / 2)) {
    *p = whole;
    const bool fits = plan_pairs(p, dgrad, pixels);
    const int64_t work = clg_conv_plan_blocks(p) * p->groups * CLG_CEIL_DIV(p->out_ch, CONV_PAIR);
    if ((fits && work >= ITEMS) || pixels == PIXELS) return fits;
  }
}

clg_conv_kernel clg_conv_plan_gather(clg_conv_plan *p, const clg_conv_shape *shape, bool dgrad, bool cpu,
                                     clg_conv_kernel wanted) {
  *p = plan_of(shape, dgrad);
  if (!cpu || !p->batch) return CLG_CONV_TILE;
  if (wanted == CLG_CONV_PAIRS)
    return plan_blocks(p, dgrad) ? wanted : clg_conv_plan_gather(p, shape, dgrad, cpu, CLG_CONV_FIXED);
  if ((wanted == CLG_CONV_FEW || wants_few(p, dgrad)) && plan_few(p, dgrad)) return CLG_CONV_FEW;
  return plan_blocks(p, dgrad) ? CLG_CONV_PAIRS : CLG_CONV_TILE;
}

/* ---- weight gradients ---- */

static bool plan_few_wgrad(clg_conv_plan *p) {
  const int64_t weights = (int64_t)p->k[0] * p->k[1] * p->in_ch * p->out_ch;
  return weights <= CONV_FEW_SUMS / LANES && cut_few(p, false, p->out_ch, p->in_ch);
}

static bool plan_pairs_wgrad(clg_conv_plan *p) {
  const int taps = p->k[0] * p->k[1], pairs = CLG_CEIL_DIV(p->out_ch, CONV_PAIR);
  if (taps > CONV_OFFSETS || !cut(p, false, CONV_PIXELS, 1)) return false;
  p->chunk = min(p->chunk, max(1, WGRAD_TAPS / taps));
  take_images(p, CONV_PIXELS, p->chunk);
  p->panel = max(1, min(pairs, CONV_OFFSETS / (p->chunk * taps + SPARE_ROWS)));
  return true;
}

clg_conv_kernel clg_conv_plan_wgrad(clg_conv_plan *p, const clg_conv_shape *shape, bool cpu, clg_conv_kernel wanted) {
  *p = plan_of(shape, false);
  if (!cpu || !p->batch) return CLG_CONV_TILE;
  const bool few = p->in_ch <= FEW_CHANNELS && p->out_ch <= FEW_CHANNELS;
  if (wanted == CLG_CONV_PAIRS)
    return plan_pairs_wgrad(p) ? wanted : clg_conv_plan_wgrad(p, shape, cpu, CLG_CONV_FIXED);
  if ((wanted == CLG_CONV_FEW || few) && plan_few_wgrad(p)) return CLG_CONV_FEW;
  return plan_pairs_wgrad(p) ? CLG_CONV_PAIRS : CLG_CONV_TILE;
}

int clg_conv_plan_split(clg_conv_plan *p, clg_conv_kernel kernel) {
  const int taps = p->k[0] * p->k[1];
  int want = CHUNKS, min_units = 2, units = p->batch, items = p->groups; /* of the kernel for few */
  if (kernel == CLG_CONV_PAIRS) {
    units = (int)clg_conv_plan_blocks(p);
    items = CLG_CEIL_DIV(p->out_ch, CONV_PAIR) * p->groups * CLG_CEIL_DIV(p->in_ch, p->chunk);
  } else if (kernel == CLG_CONV_TILE) {
    units = p->batch * p->q[0] * p->q[1], want *= 16, min_units = 256;
    items = CLG_CEIL_DIV(p->in_ch * taps, TILE) * CLG_CEIL_DIV(p->out_ch, TILE) * p->groups;
  }
  const int chunks = min(CLG_CEIL_DIV(want, items), max(1, units / min_units));
  p->per = max(1, CLG_CEIL_DIV(units, chunks));
  if (kernel == CLG_CONV_PAIRS) { /* as many pairs an item as leave work for all */
    const int pairs = CLG_CEIL_DIV(p->out_ch, CONV_PAIR), others = items / pairs * CLG_CEIL_DIV(units, p->per);
    p->panel = min(p->panel, max(1, pairs / CLG_CEIL_DIV(ITEMS, others)));
    p->panel = CLG_CEIL_DIV(pairs, CLG_CEIL_DIV(pairs, p->panel));
  }
  return max(1, CLG_CEIL_DIV(units, p->per));
}
