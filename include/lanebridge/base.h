/* base: what every module stands on. Pure: no I/O but the log's line on stderr, no state but the
 * log level and the hash seed. Source layers: 0. */
#ifndef LANEBRIDGE_BASE_H
#define LANEBRIDGE_BASE_H

#include <lanebridge/base/base64.h>
#include <lanebridge/base/buf.h>
#include <lanebridge/base/err.h>
#include <lanebridge/base/hash.h>
#include <lanebridge/base/limits.h>
#include <lanebridge/base/log.h>
#include <lanebridge/base/map.h>
#include <lanebridge/base/mem.h>
#include <lanebridge/base/path.h>
#include <lanebridge/base/picture.h>
#include <lanebridge/base/str.h>
#include <lanebridge/base/time.h>
#include <lanebridge/base/utf8.h>
#include <lanebridge/base/vec.h>

#endif
