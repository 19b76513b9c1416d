/* The header of a safetensors file: which tensors it holds, of what type and shape, and where their data is. */
#ifndef CLG_IO_HEADER_H
#define CLG_IO_HEADER_H

#include "base/file.h"
#include "io/little_endian.h"

/* The format's limit on the header, which its reference implementation sets. */
#define CLG_HEADER_MOST 100000000

typedef enum clg_file_type {
  CLG_FILE_F32,
  CLG_FILE_I32,
  CLG_FILE_F64,
  CLG_FILE_I64,  /* what this library writes */
  CLG_FILE_OTHER /* and above: known by name and size, or by name alone */
} clg_file_type;
/* "F32"; and the bytes of an element, of the types before CLG_FILE_OTHER. */
const char *clg_file_type_name(int type);
int clg_file_type_size(int type);

typedef struct clg_entry {
  const char *name;
  int type;
  const char *dtype; /* as the file spells it */
  int ndim;          /* may be more than CLG_MAX_DIMS; the shape then holds the first ones */
  int64_t shape[CLG_MAX_DIMS];
  uint64_t begin, end; /* in the file */
} clg_entry;

typedef struct clg_pair {
  const char *key, *value;
} clg_pair;

typedef struct clg_header {
  char *text; /* all names lie in it */
  clg_entry *entry;
  clg_pair *meta; /* both sorted by name */
  size_t n, n_meta, cap, cap_meta;
} clg_header;

/* Reads and checks all of it: afterwards every entry's data lies in the file, apart from all others, without a hole. */
clg_status clg_header_read(clg_header *h, const clg_input *in);
void clg_header_free(clg_header *h);
/* NULL when there is no such tensor, or key. */
const clg_entry *clg_header_find(const clg_header *h, const char *name);
const char *clg_header_meta(const clg_header *h, const char *key);

/* A name from a file as an error line shows it: cut, and without control characters. Returns buf. */
#define CLG_SHOWN 72
const char *clg_shown(const char *name, char buf[CLG_SHOWN]);
/* "[3,4]" of an entry, with an ellipsis if there are more dimensions than it keeps. */
#define CLG_ENTRY_SHAPE 200
const char *clg_entry_shape(const clg_entry *e, char buf[CLG_ENTRY_SHAPE]);

#endif
