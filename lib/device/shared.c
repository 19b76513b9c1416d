/* The list of programs that contexts share. Owns a reference to each. */
#include "device/shared.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
  struct entry *next;
  clg_shared_key key; /* its texts are the entry's own, but for the file's name */
  cl_program program;
} entry;

struct clg_shared {
  pthread_mutex_t lock;
  unsigned refs;
  entry *first;
};

clg_shared *clg_shared_create(void) {
  clg_shared *s = calloc(1, sizeof *s);
  if (!s || !pthread_mutex_init(&s->lock, NULL)) {
    if (s) s->refs = 1;
    return s;
  }
  free(s);
  return NULL;
}

clg_shared *clg_shared_ref(clg_shared *s) {
  pthread_mutex_lock(&s->lock);
  s->refs++;
  pthread_mutex_unlock(&s->lock);
  return s;
}

static void entry_free(entry *e) {
  if (!e) return;
  if (e->program) clReleaseProgram(e->program);
  free((char *)e->key.text);
  free((char *)e->key.label);
  free((char *)e->key.only);
  free(e);
}

void clg_shared_unref(clg_shared *s) {
  if (!s) return;
  pthread_mutex_lock(&s->lock);
  bool last = !--s->refs;
  pthread_mutex_unlock(&s->lock);
  if (!last) return;
  for (entry *e = s->first, *next; e; e = next) next = e->next, entry_free(e);
  pthread_mutex_destroy(&s->lock);
  free(s);
}

static bool same_text(const char *a, const char *b) { return a && b ? !strcmp(a, b) : a == b; }

static bool same_key(const clg_shared_key *a, const clg_shared_key *b) {
  return a->file == b->file && a->group == b->group && a->shape == b->shape && a->fma == b->fma &&
         same_text(a->only, b->only) && same_text(a->label, b->label) && same_text(a->text, b->text);
}

static entry *find(const clg_shared *s, const clg_shared_key *key) {
  entry *e = s->first;
  while (e && !same_key(&e->key, key)) e = e->next;
  return e;
}

cl_program clg_shared_find(clg_shared *s, const clg_shared_key *key) {
  pthread_mutex_lock(&s->lock);
  const entry *e = find(s, key);
  cl_program p = e && clRetainProgram(e->program) == CL_SUCCESS ? e->program : NULL;
  pthread_mutex_unlock(&s->lock);
  return p;
}

static entry *entry_of(const clg_shared_key *key, cl_program program) {
  entry *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  e->key = *key;
  e->key.text = strdup(key->text);
  e->key.only = strdup(key->only);
  e->key.label = key->label ? strdup(key->label) : NULL;
  if (e->key.text && e->key.only && (e->key.label || !key->label) && clRetainProgram(program) == CL_SUCCESS) {
    e->program = program;
    return e;
  }
  entry_free(e);
  return NULL;
}

void clg_shared_add(clg_shared *s, const clg_shared_key *key, cl_program program) {
  pthread_mutex_lock(&s->lock);
  entry *e = find(s, key) ? NULL : entry_of(key, program);
  if (e) {
    e->next = s->first;
    s->first = e;
  }
  pthread_mutex_unlock(&s->lock);
}
