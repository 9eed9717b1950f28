/* lanebridge: arguments and sub-commands. */
#include <stdio.h>
#include <string.h>

#include <lanebridge/loop.h>

#include "cli/cli.h"

static const char help[] =
    "lanebridge " LANEBRIDGE_VERSION " - an agent in your editor, over one WebSocket\n"
    "\n"
    "usage: lanebridge COMMAND [OPTIONS]\n"
    "\n"
    "  lsp [--stdio]                    the language server, on standard input and output\n"
    "  run [-C DIR] [--json] \"PROMPT\"   one agent turn on a folder, without an editor\n"
    "      --yes-to-commands            accepts what would ask about a command (else it is denied\n"
    "                                   where no terminal can be asked)\n"
    "  endpoint [--listen ADDRESS:PORT] [--engine replay[:FILE] | upstream:URL]\n"
    "                                   a local Responses endpoint; PORT 0 picks one\n"
    "      --upstream-model NAME, --upstream-key-env NAME, --upstream-api auto|responses|chat\n"
    "                                   of the server at URL (llama.cpp, Ollama, vLLM, …)\n"
    "      --token-file FILE            bearer token, required on any address but loopback\n"
    "      --trace FILE                 appends every frame, as JSON Lines\n"
    "      --store FILE                 where stored responses are kept (SQLite); \"memory\": "
    "nowhere,\n"
    "                                   which is what replay does\n"
    "      --age-limit SECONDS          how long a connection may live (default 3600)\n"
    "      --idle-limit SECONDS         how long it may be without a request (default: as long)\n"
    "      --max-memory MIB, --max-store MIB, --max-connections N, --max-lanes N, --max-requests "
    "N\n"
    "                                   above it the oldest is let go, or 429 is answered\n"
    "      --vocab FILE                 counts tokens by these ranks (lines of BASE64 RANK)\n"
    "      --check COMMAND              is asked about new input; see docs/PROTOCOL.md\n"
    "      --without=tokens,validation,routing,bookkeeping,response-cache\n"
    "                                   does that work anew at every step, for measuring\n"
    "      --prototype-append           one response for a whole rollout, for comparing\n"
    "      --without-lanes, --without-warm-up, --without-steering, --without-additional-tools,\n"
    "      --without-compact, --without-context-management\n"
    "                                   refuses what other endpoints do not know\n"
    "  doctor [--json]                  looks at settings, key, network, endpoint and sandbox, and "
    "says\n"
    "                                   what to do about what is wrong\n"
    "  trace [--json] [TURN | THREAD]   where the time of a turn went (default: the latest)\n"
    "\n"
    "  --help, --version\n"
    "\n"
    "exit codes of run: 0 completed, 1 failed, 2 usage, 3 something was denied, 130 interrupted;\n"
    "of doctor: 0 nothing fails, 1 something fails, 2 usage\n"
    "The key comes from the environment variable that endpoint.apiKeyEnv names (OPENAI_API_KEY).\n"
    "Settings: $XDG_CONFIG_HOME/lanebridge/config.json, or the file LANEBRIDGE_CONFIG names.\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"lsp", cli_lsp},
    {"run", cli_run},
    {"endpoint", cli_endpoint},
    {"doctor", cli_doctor},
    {"trace", cli_trace},
};

int main(int argc, char **argv)
{
    loop_prepare_process();
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
                      strcmp(argv[1], "help") == 0)) {
        fputs(help, stdout);
        return EXIT_OK;
    }
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        puts("lanebridge " LANEBRIDGE_VERSION);
        return EXIT_OK;
    }
    if (argc < 2) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < array_count(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr,
            "lanebridge: there is no command \"%s\"; the commands are lsp, run, endpoint and "
            "doctor. See lanebridge --help\n",
            argv[1]);
    return EXIT_USAGE;
}
