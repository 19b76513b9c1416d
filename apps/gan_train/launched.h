/* What the environment says of who started the process. */
#ifndef GAN_LAUNCHED_H
#define GAN_LAUNCHED_H

/* Of how many ranks some mpirun says that this process is one; 0: none says anything. */
int launched_ranks(void);

#endif
