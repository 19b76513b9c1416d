/* Parameters for CLBlast's kernels. CLBlast takes any values and compiles them in: what does not fit together shows as
 * a kernel that does not build or, worse, as a wrong product. So everything is checked here first. */
#include "product/params.h"
#include <stdio.h>
#include <string.h>

static const char *const kernels[CLG_CLBLAST_KERNELS] = {"Xgemm", "XgemmDirect", "GemmRoutine"};
static const char *const parameters[CLG_CLBLAST_KERNELS][CLG_CLBLAST_PARAMETERS] = {
    {"GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB", "NDIMC", "NWG", "SA", "SB", "STRM", "STRN", "VWM",
     "VWN"},
    {"KWID", "MDIMAD", "MDIMCD", "NDIMBD", "NDIMCD", "PADA", "PADB", "VWMD", "VWND", "WGD"},
    {"XGEMM_MIN_INDIRECT_SIZE"},
};
enum { GEMMK, KREG, KWG, KWI, MDIMA, MDIMC, MWG, NDIMB, NDIMC, NWG, SA, SB, STRM, STRN, VWM, VWN };
enum { KWID, MDIMAD, MDIMCD, NDIMBD, NDIMCD, PADA, PADB, VWMD, VWND, WGD };

/* As far as the profile's questions reach. */
enum { TILE_MOST = 1024, INDIRECT_MOST = 1 << 15, VECTOR_MOST = 8 };

const char *clg_clblast_kernel_name(clg_clblast_kernel k) {
  return (unsigned)k < CLG_CLBLAST_KERNELS ? kernels[k] : "";
}

const char *clg_clblast_parameter_name(clg_clblast_kernel k, int i) {
  bool is = (unsigned)k < CLG_CLBLAST_KERNELS && i >= 0 && i < CLG_CLBLAST_PARAMETERS && parameters[k][i];
  return is ? parameters[k][i] : "";
}

/* ---- what must hold ---- */

static bool is_switch(int k, int i) {
  return k == CLG_CLBLAST_XGEMM ? i == GEMMK || (i >= SA && i <= STRN)
                                : k == CLG_CLBLAST_XGEMM_DIRECT && (i == PADA || i == PADB);
}

static bool is_width(int k, int i) {
  return k == CLG_CLBLAST_XGEMM ? i == VWM || i == VWN : k == CLG_CLBLAST_XGEMM_DIRECT && (i == VWMD || i == VWND);
}

static uint32_t most_of(int k, int i) {
  if (is_switch(k, i)) return 1;
  if (is_width(k, i)) return VECTOR_MOST;
  return k == CLG_CLBLAST_GEMM_ROUTINE ? INDIRECT_MOST : TILE_MOST;
}

static bool in_range(int k, int i, uint32_t v, char *why, size_t size) {
  const char *name = parameters[k][i];
  uint32_t most = most_of(k, i);
  if (!v && !is_switch(k, i))
    snprintf(why, size, "%s is 0", name);
  else if (v > most)
    snprintf(why, size, "%s is %u, more than %u", name, v, most);
  else if (is_width(k, i) && (v & (v - 1)))
    snprintf(why, size, "%s is %u: vectors are 1, 2, 4 or 8 wide", name, v);
  else
    return true;
  return false;
}

/* A whole number of pieces, each of the size `by` times `times`. */
typedef struct rule {
  int of, by, times; /* times: -1 for 1 */
} rule;

static bool divides(int k, const uint32_t *v, const rule *rules, int n, char *why, size_t size) {
  for (int i = 0; i < n; i++) {
    const rule *r = &rules[i];
    bool one = r->times < 0;
    if (v[r->of] % (v[r->by] * (one ? 1 : v[r->times])) == 0) continue;
    if (one)
      snprintf(why, size, "%s is no multiple of %s", parameters[k][r->of], parameters[k][r->by]);
    else
      snprintf(why, size, "%s is no multiple of %s * %s", parameters[k][r->of], parameters[k][r->by],
               parameters[k][r->times]);
    return false;
  }
  return true;
}

/* A work-group loads a tile in rows of `across` items, each row of items `depth` deep: whole rows, in whole turns. */
static bool loads(int k, const uint32_t *v, int group_m, int group_n, int across, int depth, char *why, size_t size) {
  uint32_t items = v[group_m] * v[group_n];
  if (items % v[across] == 0 && v[depth] % (items / v[across]) == 0) return true;
  snprintf(why, size, "%s is no multiple of %s * %s / %s", parameters[k][depth], parameters[k][group_m],
           parameters[k][group_n], parameters[k][across]);
  return false;
}

/* Kernel 1 keeps its operands in registers alone. With tiles that are not square its products are wrong, and it writes
 * outside the result. */
static bool xgemm_1(const uint32_t *v, char *why, size_t size) {
  bool ok = v[MWG] == v[NWG] && v[MDIMA] == v[MDIMC] && v[NDIMB] == v[NDIMC] && v[KWG] == 1 && v[KWI] == 1 &&
            v[KREG] % v[VWN] == 0 && !v[SA] && !v[SB] && !v[STRM] && !v[STRN];
  if (!ok)
    snprintf(why, size,
             "with GEMMK 1, MWG is NWG, MDIMA is MDIMC, NDIMB is NDIMC, KWG and KWI are 1, KREG is a multiple of VWN, "
             "and SA, SB, STRM and STRN are 0");
  return ok;
}

static bool xgemm(const uint32_t *v, char *why, size_t size) {
  static const rule rules[] = {
      {KWG, KWI, -1}, {MWG, MDIMC, VWM}, {NWG, NDIMC, VWN}, {MWG, MDIMA, VWM}, {NWG, NDIMB, VWN}};
  enum { K = CLG_CLBLAST_XGEMM };
  if (!divides(K, v, rules, 5, why, size)) return false;
  if (v[KWG] * v[KREG] > TILE_MOST) {
    snprintf(why, size, "KWG * KREG is more than %d", TILE_MOST);
    return false;
  }
  if (v[GEMMK]) return xgemm_1(v, why, size);
  return loads(K, v, MDIMC, NDIMC, MDIMA, KWG, why, size) && loads(K, v, MDIMC, NDIMC, NDIMB, KWG, why, size);
}

static bool xgemm_direct(const uint32_t *v, char *why, size_t size) {
  static const rule rules[] = {
      {WGD, KWID, -1}, {WGD, MDIMCD, VWMD}, {WGD, NDIMCD, VWND}, {WGD, MDIMAD, VWMD}, {WGD, NDIMBD, VWND}};
  enum { K = CLG_CLBLAST_XGEMM_DIRECT };
  return divides(K, v, rules, 5, why, size) && loads(K, v, MDIMCD, NDIMCD, MDIMAD, WGD, why, size) &&
         loads(K, v, MDIMCD, NDIMCD, NDIMBD, WGD, why, size);
}

bool clg_gemm_params_check(clg_clblast_kernel k, const uint32_t *v, char *why, size_t size) {
  if ((unsigned)k >= CLG_CLBLAST_KERNELS) {
    snprintf(why, size, "no such kernel of CLBlast");
    return false;
  }
  for (int i = 0; i < CLG_CLBLAST_PARAMETERS && parameters[k][i]; i++)
    if (!in_range(k, i, v[i], why, size)) return false;
  if (k == CLG_CLBLAST_XGEMM) return xgemm(v, why, size);
  return k != CLG_CLBLAST_XGEMM_DIRECT || xgemm_direct(v, why, size);
}

clg_gemm_needs clg_gemm_params_needs(clg_clblast_kernel k, const uint32_t *v) {
  clg_gemm_needs needs = {1, 0};
  if (k == CLG_CLBLAST_XGEMM) {
    needs.items = v[MDIMC] * v[NDIMC];
    needs.local_bytes = sizeof(float) * v[KWG] * ((uint64_t)v[SA] * v[MWG] + (uint64_t)v[SB] * v[NWG]);
  } else if (k == CLG_CLBLAST_XGEMM_DIRECT) {
    needs.items = v[MDIMCD] * v[NDIMCD];
    needs.local_bytes = sizeof(float) * v[WGD] * (2 * (uint64_t)v[WGD] + v[PADA] + v[PADB]);
  }
  return needs;
}

void clg_gemm_params_profile(const clg_gemm_params *p, clg_gemm_profile *to) {
  const uint32_t *v = p->value[CLG_CLBLAST_XGEMM];
  if (p->has[CLG_CLBLAST_XGEMM])
    to->mwg = v[MWG], to->nwg = v[NWG], to->kwg = v[KWG] * v[KREG], to->kernel_id = v[GEMMK];
  if (p->has[CLG_CLBLAST_GEMM_ROUTINE]) to->min_indirect = p->value[CLG_CLBLAST_GEMM_ROUTINE][0];
}

bool clg_gemm_params_same(const clg_gemm_params *a, const clg_gemm_params *b, int k) {
  return a->has[k] == b->has[k] && !memcmp(a->value[k], b->value[k], sizeof a->value[k]);
}

/* ---- as text ---- */

void clg_gemm_params_print(const clg_gemm_params *p, clg_str *to) {
  for (int k = 0; k < CLG_CLBLAST_KERNELS; k++) {
    if (!p->has[k]) continue;
    clg_str_addf(to, "clblast %s", kernels[k]);
    for (int i = 0; i < CLG_CLBLAST_PARAMETERS && parameters[k][i]; i++)
      clg_str_addf(to, " %s %u", parameters[k][i], p->value[k][i]);
    clg_str_addf(to, "\n");
  }
}

/* The next word, cut to what is printable and fits. */
static void word(const char **at, char *to, size_t size) {
  size_t n = 0;
  for (; **at && **at != ' '; ++*at)
    if (n + 1 < size) to[n++] = **at > ' ' && **at < 127 ? **at : '?';
  to[n] = 0;
  if (**at) ++*at;
}

static bool number(const char *s, uint32_t *out) {
  *out = 0;
  size_t n = strspn(s, "0123456789");
  for (size_t i = 0; i < n && n <= 6; i++) *out = *out * 10 + (uint32_t)(s[i] - '0');
  return n && n <= 6 && !s[n];
}

bool clg_gemm_params_read(const char *line, clg_gemm_params *p, char *why, size_t size) {
  char name[32], digits[16];
  bool seen[CLG_CLBLAST_PARAMETERS] = {false};
  int k = 0;
  word(&line, name, sizeof name);
  while (k < CLG_CLBLAST_KERNELS && strcmp(name, kernels[k])) k++;
  if (k == CLG_CLBLAST_KERNELS || p->has[k]) {
    snprintf(why, size, k < CLG_CLBLAST_KERNELS ? "%s comes twice" : "CLBlast has no kernel '%s' to tune", name);
    return false;
  }
  while (*line) {
    int i = 0;
    word(&line, name, sizeof name);
    word(&line, digits, sizeof digits);
    while (i < CLG_CLBLAST_PARAMETERS && parameters[k][i] && strcmp(name, parameters[k][i])) i++;
    bool known = i < CLG_CLBLAST_PARAMETERS && parameters[k][i];
    if (known && !seen[i] && number(digits, &p->value[k][i])) {
      seen[i] = true;
      continue;
    }
    if (!known)
      snprintf(why, size, "%s has no parameter '%s'", kernels[k], name);
    else
      snprintf(why, size, seen[i] ? "%s: %s comes twice" : "%s: %s is no number", kernels[k], name);
    return false;
  }
  for (int i = 0; i < CLG_CLBLAST_PARAMETERS && parameters[k][i]; i++)
    if (!seen[i]) {
      snprintf(why, size, "%s: %s is missing", kernels[k], parameters[k][i]);
      return false;
    }
  int n = snprintf(why, size, "%s: ", kernels[k]);
  if (!clg_gemm_params_check((clg_clblast_kernel)k, p->value[k], why + n, size - (size_t)n)) return false;
  p->has[k] = true;
  *why = 0;
  return true;
}
