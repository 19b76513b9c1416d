/* Preloaded, makes PoCL compile for an older CPU than the one that is here: $HOSTCPU is nehalem (SSE4.2), ivybridge
 * (AVX) or haswell (AVX2 and FMA). PoCL asks LLVM for the host's name and features; this answers in LLVM's place, for
 * versions up to 18, by their mangled names. Exits with 77, a skipped test, where this CPU lacks what the other one
 * has. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each has the features of those before it, too. */
static const struct cpu {
  const char *name, *features[20];
} cpus[] = {
    {"nehalem",
     {"64bit", "cmov", "crc32", "cx16", "cx8", "fxsr", "mmx", "popcnt", "sahf", "sse", "sse2", "sse3", "sse4.1",
      "sse4.2", "ssse3"}},
    {"ivybridge", {"avx", "f16c", "pclmul", "xsave", "xsaveopt"}},
    {"haswell", {"avx2", "bmi", "bmi2", "fma", "lzcnt", "movbe"}},
};
enum { CPUS = sizeof cpus / sizeof *cpus, SKIPPED = 77 };

static _Noreturn void give_up(const char *why, const char *what) {
  fprintf(stderr, "hostcpu: %s: %s\n", what, why);
  _exit(SKIPPED);
}

static int wanted(void) {
  const char *name = getenv("HOSTCPU");
  for (int i = 0; name && i < CPUS; i++)
    if (!strcmp(name, cpus[i].name)) return i;
  give_up("HOSTCPU wants nehalem, ivybridge or haswell", name ? name : "unset");
}

static bool has(int cpu, const char *feature) {
  for (; cpu >= 0; cpu--)
    for (int i = 0; cpus[cpu].features[i]; i++)
      if (!strcmp(cpus[cpu].features[i], feature)) return true;
  return false;
}

/* llvm::StringRef llvm::sys::getHostCPUName() */
typedef struct string_ref {
  const char *text;
  size_t size;
} string_ref;
string_ref _ZN4llvm3sys14getHostCPUNameEv(void);
string_ref _ZN4llvm3sys14getHostCPUNameEv(void) {
  const char *name = cpus[wanted()].name;
  return (string_ref){name, strlen(name)};
}

/* llvm::StringMap<bool>: a hash table of pointers to entries, NULL or a small negative number where there is none. */
typedef struct entry {
  size_t size;
  bool value;
  char key[]; /* behind the padding */
} entry;
typedef struct string_map {
  entry **table;
  unsigned buckets, items, tombstones, item_size;
} string_map;
enum { KEY_AT = 2 * sizeof(size_t) };

static bool is_entry(const entry *e) { return e && (uintptr_t)e < UINTPTR_MAX - 64; }
static const char *key_of(const entry *e) { return (const char *)e + KEY_AT; }

/* bool llvm::sys::getHostCPUFeatures(llvm::StringMap<bool> &) */
#define FEATURES      _ZN4llvm3sys18getHostCPUFeaturesERNS_9StringMapIbNS_15MallocAllocatorEEE
#define TEXT_OF(name) #name
#define TEXT(name)    TEXT_OF(name)
typedef bool ask_features(string_map *to);

static int find_llvm(struct dl_phdr_info *info, size_t size, void *found) {
  (void)size;
  if (!strstr(info->dlpi_name, "libLLVM")) return 0;
  *(const char **)found = info->dlpi_name;
  return 1;
}

static ask_features *real_features(void) {
  const char *llvm = NULL;
  dl_iterate_phdr(find_llvm, &llvm);
  void *library = llvm ? dlopen(llvm, RTLD_LAZY | RTLD_NOLOAD) : NULL;
  ask_features *real = NULL;
  if (library) *(void **)&real = dlsym(library, TEXT(FEATURES)); /* as POSIX has it */
  if (!real) give_up("it does not say which features the host has", llvm ? llvm : "libLLVM");
  return real;
}

bool FEATURES(string_map *map);
bool FEATURES(string_map *map) {
  int cpu = wanted();
  bool known = real_features()(map);
  for (unsigned i = 0; i < map->buckets; i++) {
    entry *e = map->table[i];
    if (!is_entry(e)) continue;
    bool ours = has(cpu, key_of(e));
    if (ours && !e->value) give_up("the CPU here lacks it", key_of(e));
    e->value = ours;
  }
  return known;
}
