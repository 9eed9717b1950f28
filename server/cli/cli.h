/* cli: the sub-commands, one file each, and what they share. */
#ifndef LANEBRIDGE_CLI_H
#define LANEBRIDGE_CLI_H

#include <lanebridge/base.h>

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_DENIED = 3,
    EXIT_INTERRUPTED = 130
};

/* Each gets argv without the program's name: argv[0] is the command. */
int cli_lsp(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_endpoint(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_trace(int argc, char **argv);
int cli_log(int argc, char **argv);
int cli_rules(int argc, char **argv);

/* -- Options: one table a command -------------------------------------------------------------- */

enum cli_kind { CLI_FLAG, CLI_TEXT, CLI_NUMBER };
struct cli_option {
    const char *name; /* "--listen", or "-C" */
    enum cli_kind kind;
    void *ret; /* bool *, const char **, int64_t * */
};
/* Takes options (also "--name=value") out of argv; the rest stays in order in argv[1 … *argc). "--"
 * ends them. Prints what is wrong, with where help is, and returns false. */
bool cli_options_take(const char *command, int *argc, char **argv, const struct cli_option *options,
                      size_t option_count);
/* "lanebridge COMMAND: text" on stderr. */
void cli_complain(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The journal, if there is one; else says why not, `missing` where nothing was ever kept, and
 * returns NULL. The caller closes it. */
struct journal *cli_open_journal(const char *command, const char *state_folder,
                                 const char *missing);

#endif
