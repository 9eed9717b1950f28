/* Editors and a helper that have every tool's other end, and say nothing of interest. */
#ifndef TEST_TOOLS_OFFERS_H
#define TEST_TOOLS_OFFERS_H

#include "fixture.h"

/* Bits: 1 diagnostics, 2 navigation, 4 refactoring, 8 questions, 16 helpers. */
void offer(struct fixture *f, unsigned features);
/* Fits that tool, so that it really begins. */
const char *good_arguments(const char *name);

#endif
