/* What is known of a device, as text and as JSON. */
#include "show.h"
#include "../json_text.h"
#include <stdio.h>

static const char *type_name(clg_device_type type) {
  return type == CLG_DEVICE_CPU ? "cpu" : type == CLG_DEVICE_GPU ? "gpu" : "accelerator";
}
static const char *shape_name(const clg_device_info *d) { return d->shape == CLG_SHAPE_CPU ? "cpu" : "gpu"; }

/* Of the kernels that share work. */
static uint32_t work_group(const clg_device_info *d) {
  uint32_t size = d->shape == CLG_SHAPE_CPU ? 1 : 64;
  while (size > 1 && size > d->max_work_group) size /= 2;
  return size;
}

static void print_mib(const char *name, uint64_t bytes) {
  printf("%s%llu MiB", name, (unsigned long long)(bytes >> 20));
}

/* Of a reproducible context; and what other contexts do differently. */
static void print_bits(const clg_device_info *d, const result *r) {
  if (*r->bits_message) printf("     bits       not tried: %s\n", r->bits_message);
  if (!r->bits.ran) return;
  if (r->bits.differ)
    printf("     bits       others than the reference's in %s%s%s\n", r->bits.groups, *r->bits.why ? ": " : "",
           r->bits.why);
  else
    printf("     bits       the reference's of the %s shape%s%s\n", shape_name(d), *r->bits.why ? ", but: " : "",
           r->bits.why);
  if (!d->reproducible && (d->shape == CLG_SHAPE_GPU || !d->fma))
    printf("                with CLGRAD_REPRODUCIBLE=on, which is off: %s\n",
           d->fma ? "products may be CLBlast's" : "fma is not used");
}

void print_device(const clg_device_info *d, bool chosen, const result *r) {
  printf("%d:%d  %s%s\n", d->platform_index, d->device_index, d->name, chosen ? "  (chosen)" : "");
  printf("     platform   %s, driver %s, %s\n", d->platform, d->driver, d->version);
  printf("     device     %s, %u compute units at %u MHz%s\n", type_name(d->type), d->compute_units, d->clock_mhz,
         d->simulator ? "; simulated in software: used only when named" : "");
  print_mib("     memory     ", d->global_bytes);
  print_mib(", largest buffer ", d->max_alloc_bytes);
  printf(", local %llu KiB%s\n", (unsigned long long)(d->local_bytes >> 10),
         d->unified_memory ? ", shared with the host" : "");
  printf("     kernels    %s shape, work-groups of %u, %s\n", shape_name(d), work_group(d),
         d->fma ? "fma" : "multiply and add instead of fma: bits differ from those of devices that have it");
  if (!d->usable) printf("     not usable: %s\n", d->problem);
  if (!r->ran) return;
  printf("     self-test  %d of %d passed in %d ms\n", r->passed, SELF_TESTS, r->milliseconds);
  if (*r->failed) printf("     failed     %s%s%s\n", r->failed, *r->message ? ": " : "", r->message);
  print_bits(d, r);
}

/* null: not tried. */
static json_t *json_bits(const result *r) {
  if (!r->bits.ran) return json_null();
  json_t *hashes = json_object();
  for (int i = 0; i < BITS_GROUPS; i++) {
    char hash[20];
    snprintf(hash, sizeof hash, "0x%016llx", (unsigned long long)r->bits.hash[i]);
    json_object_set_new(hashes, bits_group(i), json_string(hash));
  }
  return json_pack("{s:b, s:s, s:s, s:o}", "reference", !r->bits.differ, "differ", r->bits.groups, "arithmetic",
                   r->bits.why, "hashes", hashes);
}

json_t *json_device(const clg_device_info *d, bool chosen, const result *r) {
  json_t *test_row =
      !r->ran ? json_null()
              : json_pack("{s:i, s:i, s:o, s:o, s:i}", "passed", r->passed, "tests", (int)SELF_TESTS, "failed",
                          json_text(r->failed), "message", json_text(r->message), "milliseconds", r->milliseconds);
  json_t *row =
      json_pack("{s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:i, s:b, s:b, s:b, s:o, s:o}", "platform_index",
                d->platform_index, "device_index", d->device_index, "platform", json_text(d->platform), "name",
                json_text(d->name), "vendor", json_text(d->vendor), "driver", json_text(d->driver), "version",
                json_text(d->version), "type", type_name(d->type), "shape", shape_name(d), "work_group",
                (int)work_group(d), "chosen", (int)chosen, "usable", (int)d->usable, "simulator", (int)d->simulator,
                "problem", json_text(d->problem), "self_test", test_row);
  if (!row) return NULL;
  json_object_set_new(row, "global_bytes", json_integer((json_int_t)d->global_bytes));
  json_object_set_new(row, "max_alloc_bytes", json_integer((json_int_t)d->max_alloc_bytes));
  json_object_set_new(row, "local_bytes", json_integer((json_int_t)d->local_bytes));
  json_object_set_new(row, "compute_units", json_integer((json_int_t)d->compute_units));
  json_object_set_new(row, "clock_mhz", json_integer((json_int_t)d->clock_mhz));
  json_object_set_new(row, "max_work_group", json_integer((json_int_t)d->max_work_group));
  json_object_set_new(row, "address_bits", json_integer((json_int_t)d->address_bits));
  json_object_set_new(row, "native_float_width", json_integer((json_int_t)d->native_float_width));
  json_object_set_new(row, "fma", json_boolean(d->fma));
  json_object_set_new(row, "divides", json_boolean(d->divides));
  json_object_set_new(row, "reproducible", json_boolean(d->reproducible));
  json_object_set_new(row, "bits", json_bits(r));
  json_object_set_new(row, "unified_memory", json_boolean(d->unified_memory));
  return row;
}
