/* SPDX-License-Identifier: MIT */
/*
 * What liburing.h needs from the kernel's headers on every supported target.
 *
 * Upstream's `configure` writes a file of this name after probing the machine.
 * ring-io builds without `configure`: the headers named here exist since
 * Linux 5.6, and what came later is defined below when it is missing.
 */
#ifndef LIBURING_COMPAT_H
#define LIBURING_COMPAT_H

#include <linux/ioctl.h>
#include <linux/openat2.h>
#include <linux/time_types.h>

/* time_types.h stands above; io_uring.h need not look for it again. */
#define UAPI_LINUX_IO_URING_H_SKIP_LINUX_TIME_TYPES_H 1

/* Linux 6.12, <linux/blkdev.h>. */
#ifndef BLOCK_URING_CMD_DISCARD
#define BLOCK_URING_CMD_DISCARD _IO(0x12, 0)
#endif

#endif
