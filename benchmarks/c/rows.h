/* What the C rows share. */
#ifndef ROWS_H
#define ROWS_H

#include <errno.h>
#include <liburing.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The counterpart of Rust's assert!: always on, in the measured loops too. */
#define CHECK(condition)                                                       \
	do {                                                                   \
		if (__builtin_expect(!(condition), 0)) {                       \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,     \
				#condition);                                   \
			abort();                                               \
		}                                                              \
	} while (0)

#endif
