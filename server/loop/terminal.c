/* A terminal of a child's own: nothing of the editor's is in it. */
#include "loop-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { COLUMNS_COUNT = 200, ROWS_COUNT = 50 }; /* lines are not for a screen: they need not wrap */

/* Line ends stay as they are written; the rest is what programs expect of a terminal. */
static void set_up(int fd)
{
    struct winsize size = {.ws_row = ROWS_COUNT, .ws_col = COLUMNS_COUNT};
    struct termios modes;
    if (tcgetattr(fd, &modes) == 0) {
        modes.c_oflag &= ~(tcflag_t)OPOST;
        tcsetattr(fd, TCSANOW, &modes);
    }
    ioctl(fd, TIOCSWINSZ, &size);
}

static int open_child_end(int master)
{
    int unlock = 0;
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
        return -1;
    return ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

enum status loop_terminal_open(int *ret_read, int *ret_write, int *ret_child, struct err *err)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    int child = master < 0 ? -1 : open_child_end(master);
    int copy = child < 0 ? -1 : fcntl(master, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int failed = errno;
    if (copy >= 0) {
        set_up(child);
        *ret_read = master;
        *ret_write = copy;
        *ret_child = child;
        return STATUS_OK;
    }
    if (child >= 0)
        close(child);
    if (master >= 0)
        close(master);
    return err_set_errno(err, failed, "A terminal for the command cannot be made");
}
