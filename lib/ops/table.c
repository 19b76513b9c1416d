/* The table of rows.h, apart from all else that a formula is compiled by, so that tests can put another in its place. */
#include "ops/formula.h"

const clg_row clg_rows[CLG_ROWS] = {
#define ROW(id, ...) [CLG_ROW_##id] = {__VA_ARGS__},
#include "ops/rows.h"
};
