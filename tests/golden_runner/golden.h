/* What the parts of the golden runner share: the folder, its records, the report. */
#ifndef GOLDEN_RUNNER_GOLDEN_H
#define GOLDEN_RUNNER_GOLDEN_H

#include "../op_table/op_table.h"
#include <clgrad/clgrad.h>
#include <jansson.h>

/* A .npy file of the folder: little-endian float32 in C order. */
typedef struct npy {
  struct npy *next;
  char *name;
  float *data;
  size_t n;
} npy;

/* Counts and prints: one line for each failing or skipped case. */
typedef struct report {
  size_t passed, failed, skipped;
} report;
void report_pass(report *r);
void report_fail(report *r, const char *section, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void report_skip(report *r, const char *section, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

typedef struct golden {
  const char *folder;
  json_t *manifest;
  npy *files; /* read so far */
  clg_context *ctx;
  report report;
  char why[512]; /* of the last failing call here */
} golden;

/* Sets golden.why and returns false. */
bool golden_error(golden *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Sets golden.why to the context's error, which it clears. */
bool golden_clg_error(golden *g);

/* A named file of the folder, read once; NULL with golden.why. */
const npy *npy_open(golden *g, const char *name);
void npy_close_all(golden *g);

/* An array of the manifest: {file, offset, shape, absmax[, f32_err]}. */
typedef struct record {
  const float *data;
  int ndim;
  int64_t shape[CLG_MAX_DIMS];
  size_t n;
  double absmax, f32_err;
} record;
bool record_read(golden *g, const json_t *json, record *out);
/* Row i of a record whose first dimension counts steps. */
bool record_row(golden *g, const record *all, size_t i, record *out);
/* A tensor of the record's shape and data; yours to unref. NULL with golden.why. */
clg_tensor *record_tensor(golden *g, const record *r);

/* The tolerance for one op or one optimizer: ten times what float32 PyTorch misses by, and float32's own rounding. */
double record_tolerance(const record *r);
/* True if every element of got is within `tolerance`; else golden.why says where and by how much. `what` names the
 * array. */
bool record_compare(golden *g, const char *what, const float *got, const record *want, double tolerance);
/* The same for a tensor, whose shape must be the record's too. */
bool record_compare_tensor(golden *g, const char *what, const clg_tensor *got, const record *want, double tolerance);

/* Reads of JSON objects that give a default where the key is missing or null. */
double json_number(const json_t *object, const char *key, double otherwise);
bool json_flag(const json_t *object, const char *key, bool otherwise);
const char *json_text(const json_t *object, const char *key, const char *otherwise);

/* One case of the sections of ops: an op of the op table. Its inputs are leaves. */
typedef struct op_run {
  clg_context *ctx;
  const json_t *attrs;
  const op *op;
  size_t n;
  const char *names[OP_INPUTS];
  clg_tensor *inputs[OP_INPUTS];
  op_attrs read;
  op_call call; /* further results of the op are in call.further */
  const char *skip;
} op_run;
/* Sets r->op; false: the table has no such op. */
bool op_run_find(op_run *r, const char *name);
/* The op's result as a scope's, or NULL: with `skip` set when the case cannot be run, with the context's error
 * otherwise. */
clg_tensor *op_run_call(op_run *r);

/* An optimizer's options by PyTorch's names; false when there is no such optimizer. */
bool optim_options(const char *name, const json_t *args, clg_optim_options *out);

/* A model from the text that PyTorch prints for it. NULL with golden.why; *missing is set when a layer does not exist.
 */
clg_module *arch_build(golden *g, const char *text, bool *missing);

/* Sections. */
void section_ops(golden *g, const json_t *cases);
void section_optim(golden *g, const json_t *cases);
void section_gan(golden *g, const char *name, const json_t *gan);
void section_ops_double(golden *g, const json_t *cases);
void section_wgan_gp(golden *g, const json_t *cases);

#endif
