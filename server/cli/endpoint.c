/* lanebridge endpoint: serves until SIGINT or SIGTERM. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lanebridge/config.h>
#include <lanebridge/endpoint.h>
#include <lanebridge/json.h>

#include "cli.h"

struct serving {
    FILE *trace;
    struct loop *loop;
    struct net *net;
    struct endpoint *endpoint;
    struct loop_signal *on_int, *on_term;
    struct loop_stream *parent;
};

struct endpoint_arguments {
    const char *listen, *engine, *token_file, *trace, *vocab, *without, *store, *check;
    const char *upstream_key_env, *upstream_model, *upstream_api;
    int64_t age_limit, idle_limit, max_memory, max_store, max_connections, max_lanes, max_requests;
    bool without_lanes, without_warm_up, without_additional_tools, without_steering, with_parent,
        prototype_append, without_compact, without_context_management;
};

static void on_stop(void *user)
{
    struct serving *serving = user;
    loop_stop(serving->loop);
}

static void on_parent_data(void *user, struct str bytes)
{
    (void)user;
    (void)bytes;
}

static void on_parent_end(void *user, enum status status)
{
    (void)status;
    on_stop(user);
}

/* {"got":FRAME} and {"sent":FRAME}, one a line; what is no JSON becomes a string. */
static void on_traffic(void *user, bool outgoing, struct str text)
{
    struct serving *serving = user;
    struct buf line = {0};
    struct json_value *value = NULL;
    bool is_json = json_parse(text, &value, NULL) == STATUS_OK;
    buf_append_fmt(&line, "{\"%s\":", outgoing ? "sent" : "got");
    if (is_json)
        json_append(&line, value);
    else
        json_append_quoted(&line, text);
    json_free(value);
    buf_append_c(&line, "}\n");
    fwrite(line.ptr, 1, line.len, serving->trace);
    fflush(serving->trace);
    buf_finish(&line);
}

static bool read_file(const char *path, struct buf *bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    char chunk[16384];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof(chunk))) > 0)
        buf_append(bytes, (struct str){chunk, (size_t)got});
    close(fd);
    return got == 0;
}

/* "127.0.0.1:8080", "[::1]:8080" or "unix:/path". */
static bool parse_listen(const char *text, struct buf *address, struct endpoint_options *options)
{
    if (strncmp(text, "unix:", 5) == 0) {
        options->unix_path = text + 5;
        return text[5] != '\0';
    }
    struct str all = str_from(text);
    size_t colon = str_rfind_byte(all, ':');
    int64_t port;
    if (colon == STR_NONE || !str_to_int64(str_skip(all, colon + 1), &port) || port < 0 ||
        port > 65535)
        return false;
    struct str host = str_slice(all, 0, colon);
    if (str_starts_with(host, STR("[")) && str_ends_with(host, STR("]")))
        host = str_slice(host, 1, host.len - 1);
    buf_append(address, host);
    options->address = address->ptr;
    options->port = (unsigned)port;
    return host.len > 0;
}

/* Out of the environment, where /proc shows it for as long as we run. */
static const char *take_key(const char *name)
{
    static char key[KIB];
    char *value = getenv(name);
    if (!value || !value[0] || strlen(value) >= sizeof(key))
        return NULL;
    snprintf(key, sizeof(key), "%s", value);
    explicit_bzero(value, strlen(value));
    unsetenv(name);
    return key;
}

static bool load_upstream(const struct endpoint_arguments *args, struct endpoint_options *options)
{
    options->upstream_url = args->engine + strlen("upstream:");
    options->upstream_model = args->upstream_model;
    options->upstream_api = args->upstream_api;
    if (!args->upstream_key_env)
        return true;
    options->upstream_key = take_key(args->upstream_key_env);
    if (!options->upstream_key)
        cli_complain("endpoint", "--upstream-key-env: the variable %s is not set",
                     args->upstream_key_env);
    return options->upstream_key != NULL;
}

/* "replay", "replay:FILE" or "upstream:URL". */
static bool load_engine(const struct endpoint_arguments *args, struct buf *replay,
                        struct endpoint_options *options)
{
    const char *engine = args->engine;
    if (strcmp(engine, "replay") == 0)
        return true;
    if (strncmp(engine, "upstream:", 9) == 0)
        return load_upstream(args, options);
    if (strncmp(engine, "replay:", 7) != 0) {
        cli_complain("endpoint",
                     "there is no engine \"%s\"; use replay, replay:FILE or upstream:URL", engine);
        return false;
    }
    options->replay_name = engine + 7;
    if (!read_file(options->replay_name, replay)) {
        cli_complain("endpoint", "cannot read the replay file %s: %s", options->replay_name,
                     strerror(errno));
        return false;
    }
    options->replay = buf_str(replay);
    if (options->replay.len == 0) {
        cli_complain("endpoint", "the replay file %s is empty", options->replay_name);
        return false;
    }
    return true;
}

static bool load_vocab(const char *path, struct buf *vocab, struct endpoint_options *options)
{
    if (!path)
        return true;
    if (!read_file(path, vocab)) {
        cli_complain("endpoint", "cannot read the vocabulary %s: %s", path, strerror(errno));
        return false;
    }
    options->vocab_name = path;
    options->vocab = buf_str(vocab);
    if (vocab->len == 0)
        cli_complain("endpoint", "the vocabulary %s is empty", path);
    return vocab->len > 0;
}

/* "tokens,routing" */
static bool parse_without(const char *text, struct endpoint_options *options)
{
    struct str rest = str_from(text), name;
    while (text && str_next(&rest, ',', &name)) {
        unsigned i = 0;
        while (i < ENDPOINT_SAVING_COUNT &&
               !str_eq_c(name, endpoint_saving_name((enum endpoint_saving)i)))
            i++;
        if (i == ENDPOINT_SAVING_COUNT) {
            cli_complain("endpoint",
                         "--without knows tokens, validation, routing, bookkeeping and "
                         "response-cache, not \"" STR_FMT "\"",
                         STR_ARG(name));
            return false;
        }
        options->without |= 1u << i;
    }
    return true;
}

static void announce(const struct endpoint_options *options, unsigned port)
{
    if (options->unix_path)
        printf("unix:%s\n", options->unix_path);
    else if (strchr(options->address, ':'))
        printf("ws://[%s]:%u/v1/responses\n", options->address, port);
    else
        printf("ws://%s:%u/v1/responses\n", options->address, port);
    fflush(stdout);
}

static int serve(struct endpoint_options *options, bool with_parent, FILE *trace)
{
    static const struct loop_stream_handlers parent_handlers = {.on_data = on_parent_data,
                                                                .on_end = on_parent_end};
    struct serving serving = {.trace = trace};
    struct err err = {0};
    int code = EXIT_FAILED;
    if (trace) {
        options->on_traffic = on_traffic;
        options->user = &serving;
    }
    serving.loop = loop_new(&err);
    if (!serving.loop)
        goto out;
    serving.net = net_new(serving.loop, &(struct net_options){0}, &err);
    if (!serving.net)
        goto out;
    serving.endpoint = endpoint_new(serving.loop, serving.net, options, &err);
    if (!serving.endpoint)
        goto out;
    serving.on_int = loop_signal_new(serving.loop, SIGINT, on_stop, &serving);
    serving.on_term = loop_signal_new(serving.loop, SIGTERM, on_stop, &serving);
    if (with_parent) {
        serving.parent =
            loop_stream_new(serving.loop, STDIN_FILENO, -1, KIB, &parent_handlers, &serving, &err);
        if (serving.parent)
            loop_stream_read_start(serving.parent);
    }
    announce(options, endpoint_port(serving.endpoint));
    loop_run(serving.loop);
    code = EXIT_OK;
out:
    if (code != EXIT_OK)
        cli_complain("endpoint", "%s", err.text);
    if (serving.parent)
        loop_stream_free(serving.parent);
    if (serving.on_int)
        loop_signal_free(serving.on_int);
    if (serving.on_term)
        loop_signal_free(serving.on_term);
    if (serving.endpoint)
        endpoint_free(serving.endpoint);
    if (serving.net)
        net_free(serving.net);
    if (serving.loop)
        loop_free(serving.loop);
    return code;
}

/* A secret that others can read is none. What is no file (a pipe) has no mode to look at. */
static bool load_token(const char *path, struct buf *token, struct endpoint_options *options)
{
    struct stat st;
    if (!path)
        return true;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) != 0) {
        cli_complain("endpoint",
                     "the token file %s can be read by others (mode %03o): chmod 600 it, and use "
                     "another token",
                     path, (unsigned)st.st_mode & 0777);
        return false;
    }
    if (!read_file(path, token)) {
        cli_complain("endpoint", "cannot read the token file %s: %s", path, strerror(errno));
        return false;
    }
    size_t len = str_trim_end(buf_str(token)).len;
    if (len == 0) {
        cli_complain("endpoint", "the token file %s is empty", path);
        return false;
    }
    buf_truncate(token, len);
    token->ptr[len] = '\0';
    options->token = token->ptr;
    return true;
}

static const char *get_environment(const char *name)
{
    return getenv(name);
}

/* A recording is a stand-in for tests and leaves nothing behind; what a model said is kept. */
static bool choose_store(const struct endpoint_arguments *args, struct buf *path,
                         struct endpoint_options *options)
{
    struct config_env env;
    struct err err = {0};
    bool is_upstream = strncmp(args->engine, "upstream:", 9) == 0;
    if (args->store && strcmp(args->store, "memory") != 0)
        options->store_path = args->store;
    if (args->store || !is_upstream)
        return true;
    config_env_init(&env, get_environment);
    enum status status = config_make_folder(env.state_folder, &err);
    buf_append_fmt(path, "%s/endpoint.db", env.state_folder);
    config_env_finish(&env);
    if (status < 0)
        cli_complain("endpoint", "%s; name a file with --store, or --store=memory", err.text);
    options->store_path = path->ptr;
    return status == STATUS_OK;
}

static bool set_limits(const struct endpoint_arguments *args, struct endpoint_options *options)
{
    const struct {
        const char *name;
        int64_t value, most, unit;
        uint64_t *ret;
    } rows[] = {
        {"--age-limit", args->age_limit, 1000000, 1000, &options->age_limit_ms},
        {"--idle-limit", args->idle_limit, 1000000, 1000, &options->limits.idle_ms},
        {"--max-memory", args->max_memory, 1000000, (int64_t)MIB, &options->limits.memory_bytes},
        {"--max-store", args->max_store, 1000000, (int64_t)MIB, &options->limits.store_bytes},
        {"--max-connections", args->max_connections, 10000, 1, &options->limits.connections},
        {"--max-lanes", args->max_lanes, LIMIT_LANES_ACTIVE_COUNT, 1, &options->limits.lanes},
        {"--max-requests", args->max_requests, 1000000, 1, &options->limits.requests},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        if (rows[i].value < 0 || rows[i].value > rows[i].most) {
            cli_complain("endpoint", "%s wants a number from 1 to %lld", rows[i].name,
                         (long long)rows[i].most);
            return false;
        }
        *rows[i].ret = (uint64_t)(rows[i].value * rows[i].unit);
    }
    return true;
}

static int serve_with(const struct endpoint_arguments *args)
{
    struct buf address = {0}, replay = {0}, token = {0}, vocab = {0}, store = {0};
    struct endpoint_options options = {.without_lanes = args->without_lanes,
                                       .without_warm_up = args->without_warm_up,
                                       .without_steering = args->without_steering,
                                       .prototype_append = args->prototype_append,
                                       .without_compact = args->without_compact,
                                       .without_context_management =
                                           args->without_context_management,
                                       .check_command = args->check,
                                       .without_additional_tools = args->without_additional_tools};
    int code = EXIT_USAGE;
    if (!parse_listen(args->listen, &address, &options)) {
        cli_complain("endpoint", "--listen wants ADDRESS:PORT, such as 127.0.0.1:0, not \"%s\"",
                     args->listen);
    } else if (set_limits(args, &options) && load_token(args->token_file, &token, &options) &&
               choose_store(args, &store, &options) && load_engine(args, &replay, &options) &&
               load_vocab(args->vocab, &vocab, &options) &&
               parse_without(args->without, &options)) {
        FILE *trace = args->trace ? fopen(args->trace, "ae") : NULL;
        if (args->trace && !trace)
            cli_complain("endpoint", "cannot write the trace %s: %s", args->trace, strerror(errno));
        else
            code = serve(&options, args->with_parent, trace);
        if (trace)
            fclose(trace);
    }
    buf_finish(&address);
    buf_finish(&replay);
    buf_finish(&vocab);
    buf_finish(&token);
    buf_finish(&store);
    return code;
}

int cli_endpoint(int argc, char **argv)
{
    struct endpoint_arguments args = {.listen = "127.0.0.1:0", .engine = "replay"};
    const struct cli_option options[] = {
        {"--listen", CLI_TEXT, &args.listen},
        {"--engine", CLI_TEXT, &args.engine},
        {"--upstream-key-env", CLI_TEXT, &args.upstream_key_env},
        {"--upstream-model", CLI_TEXT, &args.upstream_model},
        {"--upstream-api", CLI_TEXT, &args.upstream_api},
        {"--token-file", CLI_TEXT, &args.token_file},
        {"--trace", CLI_TEXT, &args.trace},
        {"--vocab", CLI_TEXT, &args.vocab},
        {"--without", CLI_TEXT, &args.without},
        {"--check", CLI_TEXT, &args.check},
        {"--prototype-append", CLI_FLAG, &args.prototype_append},
        {"--store", CLI_TEXT, &args.store},
        {"--age-limit", CLI_NUMBER, &args.age_limit},
        {"--idle-limit", CLI_NUMBER, &args.idle_limit},
        {"--max-memory", CLI_NUMBER, &args.max_memory},
        {"--max-store", CLI_NUMBER, &args.max_store},
        {"--max-connections", CLI_NUMBER, &args.max_connections},
        {"--max-lanes", CLI_NUMBER, &args.max_lanes},
        {"--max-requests", CLI_NUMBER, &args.max_requests},
        {"--without-lanes", CLI_FLAG, &args.without_lanes},
        {"--without-warm-up", CLI_FLAG, &args.without_warm_up},
        {"--without-steering", CLI_FLAG, &args.without_steering},
        {"--without-compact", CLI_FLAG, &args.without_compact},
        {"--without-context-management", CLI_FLAG, &args.without_context_management},
        {"--without-additional-tools", CLI_FLAG, &args.without_additional_tools},
        {"--exit-with-stdin", CLI_FLAG, &args.with_parent},
    };
    if (!cli_options_take("endpoint", &argc, argv, options, array_count(options)))
        return EXIT_USAGE;
    if (argc > 1) {
        cli_complain("endpoint", "\"%s\" is one word too many; see lanebridge --help", argv[1]);
        return EXIT_USAGE;
    }
    return serve_with(&args);
}
