/* Writes kernels from their templates (kernel.h says how those are written). */
#include "kernel/kernel.h"
#include "kernel/sources.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TENSORS 18 /* results and inputs */
#define NESTED  4  /* @if in @if */

typedef struct writer {
  const clg_kernel_formula *f;
  const clg_kernel_form *form;
  const char *text; /* the template */
  char kernel[3 * CLG_KERNEL_NAME];
  char tensor[TENSORS][CLG_KERNEL_NAME], number[TENSORS][CLG_KERNEL_NAME];
  char at[100], back[100], once[100]; /* the element of $t at $1 */
  char count[100], result[100];       /* what @use gives */
  clg_layout layout;
} writer;

static int tensors(const writer *w) { return w->f->n_out + w->f->n_in; }
static bool is_still(const writer *w, int t) { return w->form->still >> t & 1; }
static bool is_turned(const writer *w, int t) { return w->form->turned >> t & 1; }
static const char *type_of(const writer *w) { return w->f->ints ? "int" : "float"; }

/* Whether the template has a word that is `name`, or begins with it and "_". */
static bool has_word(const char *text, const char *name) {
  size_t n = strlen(name);
  for (const char *at = text; (at = strstr(at, name)); at += n) {
    bool begins = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_' || at[-1] == '$');
    if (begins && !isalnum((unsigned char)at[n])) return true;
  }
  return false;
}

/* The same of the template and those that it uses. */
static bool is_word(const char *text, const char *name) {
  static const char word[] = "@use ";
  bool is = has_word(text, name);
  for (const char *at = text; !is && (at = strstr(at, word));) {
    char file[CLG_KERNEL_NAME];
    at += sizeof word - 1;
    snprintf(file, sizeof file, "%.*s", (int)strcspn(at, " |\n"), at);
    is = is_word(clg_source_find(file)->text, name);
  }
  return is;
}

/* A formula's name as a kernel's parameter: not what the kernel calls something of its own. */
static void name_parameter(const writer *w, char to[CLG_KERNEL_NAME], const char *name) {
  const bool ours = !strncmp(name, "out", 3) || is_word(w->text, name);
  snprintf(to, CLG_KERNEL_NAME, "%.*s%s", CLG_KERNEL_NAME - 2, name, ours ? "_" : "");
}

static void name_all(writer *w) {
  const clg_kernel_formula *f = w->f;
  snprintf(w->kernel, sizeof w->kernel, "%s", w->form->kernel);
  for (int i = 0; i < f->n_out; i++)
    if (f->n_out == 1) {
      snprintf(w->tensor[i], sizeof w->tensor[i], "out");
    } else {
      snprintf(w->tensor[i], sizeof w->tensor[i], "out%d", i);
    }
  for (int i = 0; i < f->n_in; i++) name_parameter(w, w->tensor[f->n_out + i], f->in[i]);
  for (int i = 0; i < f->n_number; i++) name_parameter(w, w->number[i], f->number[i]);
}

static bool has_trait(const writer *w, const char *name) {
  static const struct {
    const char *name;
    unsigned trait;
  } all[] = {{"cpu", CLG_KERNEL_CPU},   {"unit", CLG_KERNEL_UNIT}, {"max", CLG_KERNEL_MAX},
             {"keep", CLG_KERNEL_KEEP}, {"mean", CLG_KERNEL_MEAN}, {"lanes", CLG_KERNEL_LANES}};
  if (!strcmp(name, "calls")) return clg_kernel_calls(w->f);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!strcmp(all[i].name, name)) return w->form->traits & all[i].trait;
  return false;
}

/* ---- what stands for $words ---- */

static void substitute(const writer *w, const char *text, size_t n, int tensor, const char *arg, clg_str *out);

static void element(const writer *w, int t, const char *arg, clg_str *out) {
  const char *pattern = w->form->back >> t & 1 ? w->back : w->at;
  if (t >= w->f->n_out && is_still(w, t)) pattern = w->once;
  substitute(w, pattern, strlen(pattern), t, arg, out);
}

/* What stands for a plain result. */
static void plain_value(const writer *w, const char *arg, clg_str *out) {
  const clg_kernel_formula *f = w->f;
  if (f->n_in) {
    element(w, f->n_out, arg, out);
  } else if (f->n_number) {
    clg_str_add(out, w->number[0]);
  } else {
    clg_str_add_float(out, (float)clg_expr_eval(f->arena, f->out[0], NULL, NULL, 0));
  }
}

/* The call's arguments: the inputs' elements, and the numbers. A mean's `unit` is the first of these. */
static void arguments(const writer *w, const char *arg, clg_str *out) {
  const clg_kernel_formula *f = w->f;
  const char *comma = "";
  for (int i = 0; i < f->n_in; i++, comma = ", ") {
    clg_str_add(out, comma);
    element(w, f->n_out + i, arg, out);
  }
  for (int i = 0; i < f->n_number; i++, comma = ", ")
    clg_str_addf(out, "%s%s", comma, !i && has_trait(w, "mean") ? "unit" : w->number[i]);
}

static void value(const writer *w, const char *arg, clg_str *out) {
  if (clg_kernel_is_plain(w->f)) {
    plain_value(w, arg, out);
  } else {
    clg_str_addf(out, "%s_of(", w->f->name);
    arguments(w, arg, out);
    clg_str_add(out, ")");
  }
  if (has_trait(w, "mean") && !w->f->n_number) clg_str_add(out, " * unit");
}

/* $join(a, b), $take(total, rest, block), $total(total, rest): by what is gathered. */
static void gather(const writer *w, const char *name, const char *const arg[3], clg_str *out) {
  const bool max = has_trait(w, "max");
  if (!strcmp(name, "join")) clg_str_addf(out, max ? "clg_max(%s, %s)" : "%s + %s", arg[0], arg[1]);
  if (!strcmp(name, "total") && max) clg_str_add(out, arg[0]);
  if (!strcmp(name, "total") && !max) clg_str_addf(out, "clg_sum_end(%s, %s)", arg[0], arg[1]);
  if (!strcmp(name, "take") && max) clg_str_addf(out, "%s = clg_max(%s, %s);", arg[0], arg[0], arg[2]);
  if (!strcmp(name, "take") && !max) clg_str_addf(out, "SUM_TAKE(float, %s, %s, %s)", arg[0], arg[1], arg[2]);
}

static void buffers(const writer *w, int from, int to, const char *qualifier, clg_str *out) {
  for (int t = from; t < to; t++)
    clg_str_addf(out, "%s__global %s%s *%s, const uint %s_at", t ? ", " : "", qualifier, type_of(w), w->tensor[t],
                 w->tensor[t]);
}

static void parameters(const writer *w, const char *name, clg_str *out) {
  const clg_kernel_formula *f = w->f;
  if (!strcmp(name, "outputs")) buffers(w, 0, f->n_out, "", out);
  if (!strcmp(name, "inputs")) buffers(w, f->n_out, tensors(w), "const ", out);
  for (int t = 0; !strcmp(name, "steps") && t < tensors(w); t++)
    clg_str_addf(out, ", const int8 %s_step", w->tensor[t]);
  for (int t = f->n_out; !strcmp(name, "ranges") && t < tensors(w); t++)
    clg_str_addf(out, ", const int8 %s_step, const int8 %s_along", w->tensor[t], w->tensor[t]);
  for (int i = 0; !strcmp(name, "numbers") && i < f->n_number; i++) clg_str_addf(out, ", const float %s", w->number[i]);
  if (!strcmp(name, "keep") && has_trait(w, "keep")) clg_str_add(out, ", __global float *keep, const uint keep_at");
  if (!strcmp(name, "sizes"))
    clg_str_add(out, ", const uint8 kept, const uint8 red, const uint n_out, const uint n_red, const uint chunk, const "
                     "uint share, const uint add");
  if (!strcmp(name, "by") && has_trait(w, "mean")) clg_str_add(out, ", const float by");
}

/* $group0, $global0: on a CPU a group is one item. */
static void place(const writer *w, const char *name, clg_str *out) {
  const bool global = !strncmp(name, "global", 6);
  if (!global && strncmp(name, "group", 5)) return;
  const char *number = name + (global ? 6 : 5);
  if (has_trait(w, "cpu")) {
    clg_str_addf(out, "CLG_GROUP(%s)", number);
  } else {
    clg_str_addf(out, "get_%s_id(%s)", global ? "global" : "group", number);
  }
}

static void word(const writer *w, const char *name, int tensor, const char *arg, clg_str *out) {
  if (!strcmp(name, "t")) clg_str_add(out, w->tensor[tensor]);
  if (!strcmp(name, "type")) clg_str_add(out, type_of(w));
  if (!strcmp(name, "memory")) clg_str_addf(out, "__global %s%s", tensor < w->f->n_out ? "" : "const ", type_of(w));
  if (!strcmp(name, "1")) clg_str_addf(out, strchr(arg, ' ') ? "(%s)" : "%s", arg);
  if (!strcmp(name, "kernel")) clg_str_add(out, w->kernel);
  if (!strcmp(name, "start")) clg_str_add(out, has_trait(w, "max") ? "-INFINITY" : "0.0f");
  if (!strcmp(name, "count")) clg_str_add(out, w->count);
  if (!strcmp(name, "result")) clg_str_add(out, w->result);
  parameters(w, name, out);
  place(w, name, out);
}

/* The end of the arguments that begin at `text`, behind a parenthesis; and where each of up to three ends. */
static const char *split(const char *text, const char *end, const char *stop[3]) {
  int depth = 0, n = 0;
  for (; text < end; text++) {
    if (*text == ')' && !depth--) break;
    depth += *text == '(';
    if (*text == ',' && !depth && n < 2) stop[n++] = text;
  }
  for (; n < 3; n++) stop[n] = text;
  return text;
}

/* A call like $join(a, $value(i)); returns what is behind it. */
static const char *call(const writer *w, const char *name, const char *text, const char *end, clg_str *out) {
  const char *stop[3], *close = split(text, end, stop), *from = text;
  clg_str arg[3] = {{0}};
  for (int i = 0; i < 3; from = stop[i++] + 1) {
    from += from < stop[i] && *from == ' ';
    clg_str_add(&arg[i], "");
    if (from < stop[i]) substitute(w, from, (size_t)(stop[i] - from), 0, "", &arg[i]);
    out->failed |= arg[i].failed;
  }
  if (!out->failed && !strcmp(name, "value")) {
    value(w, arg[0].data, out);
  } else if (!out->failed) {
    gather(w, name, (const char *const[]){arg[0].data, arg[1].data, arg[2].data}, out);
  }
  for (int i = 0; i < 3; i++) clg_str_free(&arg[i]);
  return close < end ? close + 1 : end;
}

static void substitute(const writer *w, const char *text, size_t n, int tensor, const char *arg, clg_str *out) {
  for (const char *at = text, *end = text + n; at < end;) {
    const char *dollar = memchr(at, '$', (size_t)(end - at));
    clg_str_addf(out, "%.*s", (int)((dollar ? dollar : end) - at), at);
    if (!dollar) return;
    char name[16];
    size_t length = 0;
    for (at = dollar + 1; at < end && isalnum((unsigned char)*at) && length + 1 < sizeof name;) name[length++] = *at++;
    name[length] = '\0';
    static const char *const calls[] = {"value", "join", "take", "total"};
    bool is_call = false;
    for (int i = 0; i < 4; i++) is_call = is_call || !strcmp(name, calls[i]);
    if (is_call) {
      at = call(w, name, at + 1, end, out);
    } else {
      word(w, name, tensor, arg, out);
    }
  }
}

/* ---- lines ---- */

/* The first line of a CPU's kernel, of "NAME(PARAMETERS) {": with the names of its parameters once more. */
static void kernel_line(const char *head, clg_str *out) {
  const char *list = strchr(head, '('), *end = list + strcspn(list, ")");
  clg_str_addf(out, "CLG_KERNEL(%.*s, %.*s), (", (int)(list - head), head, (int)(end - list), list);
  for (const char *at = list; *at != ')';) {
    const char *stop = at + 1 + strcspn(at + 1, ",)"), *name = stop;
    while (isalnum((unsigned char)name[-1]) || name[-1] == '_') name--;
    clg_str_addf(out, "%s%.*s", at == list ? "" : ", ", (int)(stop - name), name);
    at = stop;
  }
  clg_str_add(out, ")) {");
}

static void line(writer *w, const char *text, size_t n, int tensor) {
  static const char kernel[] = "__kernel void ";
  clg_str s = {0}, first = {0};
  substitute(w, text, n, tensor, "", &s);
  const bool apart = !s.failed && s.data && has_trait(w, "cpu") && !strncmp(s.data, kernel, sizeof kernel - 1);
  if (apart) kernel_line(s.data + sizeof kernel - 1, &first);
  const clg_str *l = apart ? &first : &s;
  w->layout.out->failed |= s.failed || first.failed;
  if (!w->layout.out->failed) clg_layout_line(&w->layout, l->data ? l->data : "");
  clg_str_free(&s);
  clg_str_free(&first);
}

static void store(writer *w, int t, const char *arg, const char *what) {
  clg_str s = {0};
  element(w, t, arg, &s);
  clg_str_add(&s, w->form->traits & CLG_KERNEL_ADD ? " += " : " = ");
  if (what) {
    clg_str_add(&s, what);
  } else {
    value(w, arg, &s);
  }
  clg_str_add(&s, ";");
  w->layout.out->failed |= s.failed;
  if (!s.failed) clg_layout_line(&w->layout, s.data);
  clg_str_free(&s);
}

/* Several results come by pointers, and are stored when all inputs have been read. */
static void store_all(writer *w, const char *arg) {
  if (w->f->n_out == 1) {
    store(w, 0, arg, NULL);
    return;
  }
  static const char *const result[] = {"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"};
  clg_str declared = {0}, call = {0};
  clg_str_addf(&call, "%s_of(", w->f->name);
  arguments(w, arg, &call);
  for (int i = 0; i < w->f->n_out; i++) {
    clg_str_addf(&declared, "%s%s", i ? ", " : "float ", result[i]);
    clg_str_addf(&call, ", &%s", result[i]);
  }
  clg_str_add(&declared, ";"), clg_str_add(&call, ");");
  w->layout.out->failed |= declared.failed || call.failed;
  if (!w->layout.out->failed) clg_layout_line(&w->layout, declared.data), clg_layout_line(&w->layout, call.data);
  clg_str_free(&declared), clg_str_free(&call);
  for (int i = 0; i < w->f->n_out; i++) store(w, i, arg, result[i]);
}

/* Where the first of sixteen elements is; or all of them, those that stay the same and those that do not. */
static void address(const writer *w, int t, const char *arg, clg_str *out) {
  clg_str_add(out, "&");
  element(w, t, arg, out);
}
static void load_lanes(const writer *w, int t, const char *arg, clg_str *out) {
  const bool still = t >= w->f->n_out && is_still(w, t);
  clg_str_add(out, still ? "(float16)(" : "vload16(0, ");
  if (still)
    element(w, t, arg, out);
  else
    address(w, t, arg, out);
  clg_str_add(out, ")");
}

static void store_lanes(writer *w, const char *arg) {
  const clg_kernel_formula *f = w->f;
  const char *comma = "";
  clg_str s = {0};
  clg_str_add(&s, "vstore16(");
  if (w->form->traits & CLG_KERNEL_ADD) load_lanes(w, 0, arg, &s), clg_str_add(&s, " + ");
  clg_str_addf(&s, "%s_lanes(", f->name);
  for (int i = 0; i < f->n_in; i++, comma = ", ") clg_str_add(&s, comma), load_lanes(w, f->n_out + i, arg, &s);
  for (int i = 0; i < f->n_number; i++, comma = ", ") clg_str_addf(&s, "%s%s", comma, w->number[i]);
  clg_str_add(&s, "), 0, ");
  address(w, 0, arg, &s);
  clg_str_add(&s, ");");
  w->layout.out->failed |= s.failed;
  if (!s.failed) clg_layout_line(&w->layout, s.data);
  clg_str_free(&s);
}

static void use(writer *w, char *text);

/* Whether the line behind @verb is written for tensor t. */
static bool is_of(const writer *w, const char *verb, int t) {
  if (!strcmp(verb, "each")) return true;
  if (!strcmp(verb, "straight")) return !is_turned(w, t);
  if (t < w->f->n_out) return false;
  if (!strcmp(verb, "still")) return is_still(w, t);
  if (!strcmp(verb, "moving")) return !is_still(w, t);
  return strcmp(verb, "turned") ? !strcmp(verb, "in") : is_turned(w, t);
}

/* A line that begins with "@" and is no condition. */
static void directive(writer *w, const char *verb, const char *rest, size_t n) {
  char text[200];
  snprintf(text, sizeof text, "%.*s", (int)n, rest);
  if (!strcmp(verb, "use")) use(w, text);
  if (!strcmp(verb, "at")) snprintf(w->at, sizeof w->at, "%.*s", (int)sizeof w->at - 1, text);
  if (!strcmp(verb, "back")) snprintf(w->back, sizeof w->back, "%.*s", (int)sizeof w->back - 1, text);
  if (!strcmp(verb, "once")) snprintf(w->once, sizeof w->once, "%.*s", (int)sizeof w->once - 1, text);
  if (!strcmp(verb, "element")) store_all(w, text);
  if (!strcmp(verb, "lanes")) store_lanes(w, text);
  for (int t = 0; t < tensors(w); t++)
    if (is_of(w, verb, t)) line(w, rest, n, t);
}

/* Whether the lines of each open @if are written. */
typedef struct conditions {
  bool on[NESTED];
  int n;
} conditions;

static bool is_on(const conditions *c) {
  bool on = true;
  for (int i = 0; i < c->n; i++) on = on && c->on[i];
  return on;
}

static bool condition(const writer *w, conditions *c, const char *verb, const char *rest, size_t n) {
  char trait[16];
  snprintf(trait, sizeof trait, "%.*s", (int)n, rest);
  if (!strcmp(verb, "if")) {
    c->on[c->n++] = has_trait(w, trait);
  } else if (!strcmp(verb, "else")) {
    c->on[c->n - 1] = !c->on[c->n - 1];
  } else if (!strcmp(verb, "end")) {
    c->n--;
  } else {
    return false;
  }
  return true;
}

/* Writes what a template says, line by line. */
static void follow(writer *w, const char *text) {
  conditions c = {.n = 0};
  for (const char *at = text; *at;) {
    size_t n = strcspn(at, "\n");
    const char *next = at + n + (at[n] == '\n');
    size_t spaces = strspn(at, " ");
    at += spaces, n -= spaces;
    if (*at == '@') {
      char verb[16];
      size_t length = strcspn(at, " \n"), skip = length < n ? length + 1 : length;
      snprintf(verb, sizeof verb, "%.*s", (int)length - 1, at + 1);
      if (!condition(w, &c, verb, at + skip, n - skip) && is_on(&c)) directive(w, verb, at + skip, n - skip);
    } else if (is_on(&c)) {
      line(w, at, n, 0);
    }
    at = next;
  }
}

/* FILE, or FILE | count | result. */
static void use(writer *w, char *text) {
  char *rest = NULL;
  const char *file = strtok_r(text, " |", &rest), *given[2] = {strtok_r(NULL, "|", &rest), strtok_r(NULL, "|", &rest)};
  char *to[2] = {w->count, w->result};
  for (int i = 0; i < 2 && given[i]; i++) {
    clg_str s = {0};
    const char *from = given[i] + strspn(given[i], " ");
    size_t n = strlen(from);
    while (n && from[n - 1] == ' ') n--;
    substitute(w, from, n, 0, "", &s);
    w->layout.out->failed |= s.failed;
    snprintf(to[i], sizeof w->count, "%s", s.data ? s.data : "");
    clg_str_free(&s);
  }
  follow(w, clg_source_find(file)->text);
}

void clg_kernel_write(const clg_kernel_formula *f, const clg_kernel_form *form, clg_str *out) {
  writer w = {.f = f, .form = form, .text = clg_source_find(form->file)->text, .layout = {.out = out}};
  name_all(&w);
  if (out->len) clg_layout_line(&w.layout, "");
  follow(&w, w.text);
}
