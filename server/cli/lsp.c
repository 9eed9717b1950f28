/* lanebridge lsp: the language server on standard input and output. */
#include <unistd.h>

#include "../app.h"
#include "cli.h"

int cli_lsp(int argc, char **argv)
{
    bool stdio;
    int64_t client_process_id;
    const struct cli_option options[] = {
        {"--stdio", CLI_FLAG, &stdio}, /* clients add them by habit */
        {"--clientProcessId", CLI_NUMBER, &client_process_id},
    };
    if (!cli_options_take("lsp", &argc, argv, options, array_count(options)))
        return EXIT_USAGE;
    if (argc > 1) {
        cli_complain("lsp",
                     "\"%s\" is one word too many; the server takes its settings from the editor",
                     argv[1]);
        return EXIT_USAGE;
    }
    if (isatty(STDIN_FILENO)) {
        cli_complain("lsp", "this is a language server: an editor starts it. On a terminal use "
                            "lanebridge run \"PROMPT\"");
        return EXIT_USAGE;
    }
    return app_serve_lsp(STDIN_FILENO, STDOUT_FILENO);
}
