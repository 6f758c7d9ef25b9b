// Each workload makes some 400 million steps, or with QUICK a tenth of that; REPEAT says how often it does all of it.
#ifndef SIZE_H
#define SIZE_H

#include "bare.h"

#ifdef QUICK
#define SIZE(full, quick) (quick)
#else
#define SIZE(full, quick) (full)
#endif

#ifndef REPEAT
#define REPEAT 1
#endif

#endif
