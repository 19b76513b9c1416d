/* Shows devices. */
#ifndef CLGRAD_INFO_SHOW_H
#define CLGRAD_INFO_SHOW_H

#include "self_test.h"
#include <jansson.h>

void print_device(const clg_device_info *d, bool chosen, const result *r);
json_t *json_device(const clg_device_info *d, bool chosen, const result *r);

#endif
