/* Bytes as a file without a name, for a child to read. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loop-internal.h"

static bool write_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = str_skip(bytes, (size_t)n);
    }
    return lseek(fd, 0, SEEK_SET) == 0;
}

int loop_memory_file(struct str bytes, struct err *err)
{
    int fd = memfd_create("lanebridge", MFD_CLOEXEC);
    if (fd >= 0 && write_all(fd, bytes))
        return fd;
    err_set_errno(err, errno, "no file in memory for %zu bytes", bytes.len);
    if (fd >= 0)
        close(fd);
    return -1;
}
