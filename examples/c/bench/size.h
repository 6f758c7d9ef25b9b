// Each workload makes some 400 million steps, or with QUICK a tenth of that.
#ifndef SIZE_H
#define SIZE_H

#include "bare.h"

#ifdef QUICK
#define SIZE(full, quick) (quick)
#else
#define SIZE(full, quick) (full)
#endif

#endif
