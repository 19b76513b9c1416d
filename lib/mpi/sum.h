/* Sums as the group sees them: a list of things that move on. */
#ifndef CLG_MPI_SUM_H
#define CLG_MPI_SUM_H

#include "group.h"

clg_group_sum *clg_sum_next(const clg_group_sum *s);
/* Starts buckets that the device has read, and moves on those that are under way. Whether anything moved. Calls nothing
 * of the context's that an idle callback must not. */
bool clg_sum_turn(clg_group_sum *s);

#endif
