/* Finds embedded sources. */
#include "kernel/sources.h"
#include <string.h>

const clg_source *clg_source_find(const char *name) {
  for (size_t i = 0; i < clg_sources_cl_count; i++)
    if (!strcmp(clg_sources_cl[i].name, name)) return &clg_sources_cl[i];
  return NULL;
}
