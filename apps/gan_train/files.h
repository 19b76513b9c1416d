/* Which files a command line reads and writes. */
#ifndef GAN_FILES_H
#define GAN_FILES_H

#include "options.h"

/* No file that would be written, its FILE.tmp and the numbered pictures included, may be one that is read, one that the
 * data set would be read from another time, or another output; but --save may go on in the file of --resume. */
bool files_check(const options *o, message *why);

#endif
