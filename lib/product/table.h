/* A context's table of choices, and of CLBlast's parameters. Private to this room. */
#ifndef CLG_PRODUCT_TABLE_H
#define CLG_PRODUCT_TABLE_H

#include "product/params.h"

/* ---- classes.c: what there is a choice for ---- */

typedef enum clg_tuning_of { CLG_TUNING_PRODUCT, CLG_TUNING_CONV, CLG_TUNING_KINDS } clg_tuning_of;

enum {
  CLG_PRODUCT_CLASSES = 4 * CLG_SIZE_CLASSES * CLG_SIZE_CLASSES * CLG_SIZE_CLASSES,
  CLG_TUNING_CLASSES = CLG_CONV_CLASSES, /* at most, of a kind */
  CLG_TUNING_FIELDS = 6
};

typedef struct clg_tuning_kind {
  const char *form;                     /* of a class in a line of text, with ? for the fields */
  const char *field[CLG_TUNING_FIELDS]; /* what each may be */
  int classes, kernels;                 /* kernel 0 is the fixed choice */
  const char *names[8];
  uint32_t own[3]; /* bits of the kernels that only devices of the shape have */
} clg_tuning_kind;
extern const clg_tuning_kind clg_tuning_kinds[CLG_TUNING_KINDS];

/* Whether devices of that shape have the kernel. */
bool clg_tuning_serves(clg_tuning_of of, int kernel, clg_device_shape shape);
/* A class's number from its fields' places, and back; -1: there is no such class. */
int clg_tuning_class(clg_tuning_of of, const int *digit);
void clg_tuning_digits(clg_tuning_of of, int class, int *digit);
int clg_tuning_class_of_product(const clg_product_class *c);

/* ---- the table ---- */

typedef struct clg_tuning {
  char platform[128], device[128], driver[128]; /* as in the file: printable */
  clg_device_shape shape;
  uint64_t hash;
  clg_gemm_params clblast;
  clg_gemm_profile before; /* a plan's, without the table */
  uint8_t kernel[CLG_TUNING_KINDS][CLG_TUNING_CLASSES];
} clg_tuning;

/* An empty table of the context's device. */
void clg_tuning_begin(clg_tuning *t, const clg_context *ctx);
/* After a change: the hash, which is never 0. False: out of memory. */
bool clg_tuning_rehash(clg_tuning *t);
void clg_tuning_print(const clg_tuning *t, clg_str *to);
/* The number of the line that is wrong, and `why` where that is more than damage; 0: none. Changes the text. */
int clg_tuning_parse(char *text, clg_tuning *t, char *why, size_t size);

/* $CLGRAD_TUNING, if it is set. */
clg_status clg_tuning_load_wanted(clg_context *ctx);
/* A copy of another context's table, if it has one. */
clg_status clg_tuning_copy(clg_context *to, const clg_context *from);

#endif
