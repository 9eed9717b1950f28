/* session FILE.session PROGRAM: plays one session against the real program. Exit code: 0 it went as
 * written, 1 it did not, 77 what it needs is not on this machine. */
#include "session.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct script script = {0};
    loop_prepare_process();
    if (argc != 3) {
        fputs("usage: session FILE.session LANEBRIDGE\n", stderr);
        return 2;
    }
    char program[PATH_MAX];
    if (!realpath(argv[2], program)) {
        fprintf(stderr, "there is no %s\n", argv[2]);
        return 2;
    }
    int code = script_load(&script, argv[1]) ? player_run(&script, program) : 1;
    script_finish(&script);
    return code;
}
