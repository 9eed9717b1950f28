/* lanebridge: arguments and sub-commands. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include <lanebridge/loop.h>
#include <lanebridge/policy.h>

#include "cli/cli.h"

/* In the order of the help; `help` is the command's part of it. */
static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"lsp", cli_lsp,
     "  lsp [--stdio]                    the language server, on standard input and output\n"},
    {"run", cli_run,
     "  run [-C DIR] [--json] \"PROMPT\"   one agent turn on a folder, without an editor\n"
     "      --yes-to-commands            accepts what would ask about a command (else it is\n"
     "                                   denied where no terminal can be asked)\n"
     "      exit codes: 0 completed, 1 failed, 2 usage, 3 something was denied, 130 interrupted\n"},
    {"endpoint", cli_endpoint,
     "  endpoint [--listen ADDRESS:PORT] [--engine replay[:FILE] | upstream:URL]\n"
     "                                   a local Responses endpoint; PORT 0 picks one\n"
     "      --upstream-model NAME, --upstream-key-env NAME, --upstream-api auto|responses|chat\n"
     "                                   of the server at URL (llama.cpp, Ollama, vLLM, …)\n"
     "      --token-file FILE            bearer token, required on any address but loopback\n"
     "      --trace FILE                 appends every frame, as JSON Lines\n"
     "      --store FILE                 where stored responses are kept (SQLite); \"memory\":\n"
     "                                   nowhere, which is what replay does\n"
     "      --age-limit SECONDS          how long a connection may live (default 3600)\n"
     "      --idle-limit SECONDS         how long it may be without a request (default: as long)\n"
     "      --max-memory MIB, --max-store MIB, --max-connections N, --max-lanes N,\n"
     "      --max-requests N             above it the oldest is let go, or 429 is answered\n"
     "      --vocab FILE                 counts tokens by these ranks (lines of BASE64 RANK)\n"
     "      --check COMMAND              is asked about new input; see docs/PROTOCOL.md\n"
     "      --without=tokens,validation,routing,bookkeeping,response-cache\n"
     "                                   does that work anew at every step, for measuring\n"
     "      --prototype-append           one response for a whole rollout, for comparing\n"
     "      --without-lanes, --without-warm-up, --without-steering, --without-additional-tools,\n"
     "      --without-compact, --without-context-management\n"
     "                                   refuses what other endpoints do not know\n"},
    {"doctor", cli_doctor,
     "  doctor [--json]                  looks at settings, key, network, endpoint and sandbox,\n"
     "                                   and says what to do about what is wrong\n"
     "      exit codes: 0 nothing fails, 1 something fails, 2 usage\n"},
    {"log", cli_log,
     "  log [--json] [--limit N] [TURN | THREAD]\n"
     "                                   what ran, who let it, in which sandbox (default: the "
     "latest)\n"
     "  log --sent [--json] [TURN]       what each request of a turn sent: files, lines, bytes\n"},
    {"rules", cli_rules,
     "  rules [list] [--json]            the approvals that are remembered\n"
     "  rules delete ID                  forgets one, in all windows\n"},
    {"trace", cli_trace,
     "  trace [--json | --perfetto] [TURN | THREAD]\n                                   where the "
     "time of a turn went (default: the latest)\n"},
};

static const char footer[] =
    "\n"
    "  --help, --version                of all, or after a command of that command\n"
    "\n"
    "The key comes from the environment variable that endpoint.apiKeyEnv names (OPENAI_API_KEY).\n"
    "Settings: $XDG_CONFIG_HOME/lanebridge/config.json, or the file LANEBRIDGE_CONFIG names.\n";

static void print_help(FILE *out)
{
    fputs("lanebridge " LANEBRIDGE_VERSION " - an agent in your editor, over one WebSocket\n\n"
          "usage: lanebridge COMMAND [OPTIONS]\n\n",
          out);
    for (size_t i = 0; i < array_count(commands); i++)
        fputs(commands[i].help, out);
    fputs(footer, out);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Among the options, not behind "--". */
static bool wants_help(int argc, char **argv)
{
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i]))
            return true;
    return false;
}

static void complain_of_command(const char *name)
{
    fprintf(stderr, "lanebridge: there is no command \"%s\"; the commands are ", name);
    for (size_t i = 0; i < array_count(commands); i++)
        fprintf(stderr, "%s%s",
                i == 0                          ? ""
                : i + 1 < array_count(commands) ? ", "
                                                : " and ",
                commands[i].name);
    fputs(". See lanebridge --help\n", stderr);
}

int main(int argc, char **argv)
{
    /* Before anything else: it is started for commands that run outside the sandbox. */
    if (argc >= 2 && strcmp(argv[1], "confine") == 0)
        return policy_confine_main(argc - 1, argv + 1);
    prctl(PR_SET_DUMPABLE, 0); /* a key may be in memory: no core, no look from other processes */
    loop_prepare_process();
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("lanebridge " LANEBRIDGE_VERSION);
        return EXIT_OK;
    }
    for (size_t i = 0; i < array_count(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (!wants_help(argc, argv))
            return commands[i].run(argc - 1, argv + 1);
        printf("usage: lanebridge COMMAND [OPTIONS]\n\n%s", commands[i].help);
        return EXIT_OK;
    }
    complain_of_command(argv[1]);
    return EXIT_USAGE;
}
