#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

void cli_complain(const char *command, const char *format, ...)
{
    struct buf line = {0};
    va_list args;
    va_start(args, format);
    buf_append_fmt(&line, "lanebridge %s: ", command);
    buf_append_vfmt(&line, format, args);
    va_end(args);
    fprintf(stderr, "%s\n", line.ptr);
    buf_finish(&line);
}

static const struct cli_option *option_find(const struct cli_option *options, size_t count,
                                            struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_c(name, options[i].name))
            return &options[i];
    return NULL;
}

static bool option_set(const char *command, const struct cli_option *option, const char *value)
{
    if (option->kind == CLI_TEXT) {
        *(const char **)option->ret = value;
        return true;
    }
    if (!str_to_int64(str_from(value), option->ret)) {
        cli_complain(command, "%s wants a number, not \"%s\"", option->name, value);
        return false;
    }
    return true;
}

/* One option at argv[*at]; moves *at to its last word. */
static bool option_take(const char *command, int argc, char **argv, int *at,
                        const struct cli_option *options, size_t count)
{
    struct str word = str_from(argv[*at]);
    size_t equals = word.ptr[1] == '-' ? str_find_byte(word, '=', 0) : STR_NONE;
    struct str name = equals == STR_NONE ? word : str_slice(word, 0, equals);
    const struct cli_option *option = option_find(options, count, name);
    if (!option) {
        cli_complain(command, "there is no option " STR_FMT "; see lanebridge --help",
                     STR_ARG(name));
        return false;
    }
    if (option->kind == CLI_FLAG) {
        *(bool *)option->ret = true;
        return true;
    }
    if (equals != STR_NONE)
        return option_set(command, option, argv[*at] + equals + 1);
    if (*at + 1 >= argc) {
        cli_complain(command, "%s wants a value", option->name);
        return false;
    }
    return option_set(command, option, argv[++*at]);
}

bool cli_options_take(const char *command, int *argc, char **argv, const struct cli_option *options,
                      size_t option_count)
{
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (++i < *argc)
                argv[kept++] = argv[i];
            break;
        }
        if (argv[i][0] != '-' || argv[i][1] == '\0')
            argv[kept++] = argv[i];
        else if (!option_take(command, *argc, argv, &i, options, option_count))
            return false;
    }
    *argc = kept;
    return true;
}
