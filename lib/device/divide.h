/* Whether a device that does not promise it rounds quotients and square roots correctly. Private to rooms up to
 * context.
 */
#ifndef CLG_DEVICE_DIVIDE_H
#define CLG_DEVICE_DIVIDE_H

#include "base/context.h"

/* Whether some thousand quotients and roots of the context's device are the host's. Errors and counters are as if it
 * had not been asked. */
bool clg_divide_tested(clg_context *ctx);

#endif
