/* Base64 (RFC 4648, section 4): of images and of rank files. */
#ifndef LANEBRIDGE_BASE_BASE64_H
#define LANEBRIDGE_BASE_BASE64_H

#include <stdbool.h>

#include <lanebridge/base/buf.h>
#include <lanebridge/base/str.h>

/* Appends the decoded bytes; padding may be missing, blanks may not be there. False: nothing was
 * appended. */
bool base64_decode(struct str text, struct buf *bytes);
void base64_append(struct buf *text, struct str bytes);

#endif
