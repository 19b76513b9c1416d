/* Who is still there: rank 0 hears of all, and they of it, by words of a few bytes. */
#ifndef CLG_MPI_WATCH_H
#define CLG_MPI_WATCH_H

#include "group.h"

/* Listens. NULL with the failure noted. */
clg_watch *clg_watch_create(clg_group *g);
/* Waits until all have come to it, unless the group failed. Takes NULL. */
void clg_watch_destroy(clg_group *g);

/* Waiting for others begins: from here on silence counts, while clg_watch_turn is called. */
void clg_watch_wait(clg_group *g);
/* Sends a word when one is due, hears what came; with `waiting` a rank that is silent for too long fails the group. */
void clg_watch_turn(clg_group *g, bool waiting);

void clg_watch_compiling(clg_group *g, bool on);
void clg_watch_give_up(clg_group *g, const char *line);

#endif
