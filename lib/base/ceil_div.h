/* Division that rounds up. */
#ifndef CLG_BASE_CEIL_DIV_H
#define CLG_BASE_CEIL_DIV_H

/* How many pieces of `by` > 0 cover n, of any one integer type; as it is, rounded up also for n < 0. */
#define CLG_CEIL_DIV(n, by) ((n) / (by) + ((n) % (by) > 0))

#endif
