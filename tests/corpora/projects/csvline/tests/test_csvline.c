#include "csvline.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void check(const char *name, const char *input, const char *const *expected, int count)
{
    char line[256];
    char *fields[16];
    strcpy(line, input);
    int got = csvline_split(line, fields, 16);
    int good = got == count;
    for (int i = 0; good && i < count; i++)
        good = strcmp(fields[i], expected[i]) == 0;
    printf("%s %s\n", good ? "ok  " : "FAIL", name);
    if (!good && got >= 0)
        for (int i = 0; i < got; i++)
            printf("     field %d: [%s]\n", i, fields[i]);
    failures += !good;
}

int main(void)
{
    check("plain fields", "a,b,c", (const char *[]){"a", "b", "c"}, 3);
    check("empty fields", ",,", (const char *[]){"", "", ""}, 3);
    check("quoted comma", "a,\"b,c\"", (const char *[]){"a", "b,c"}, 2);
    check("doubled quote", "\"say \"\"hi\"\"\",b", (const char *[]){"say \"hi\"", "b"}, 2);
    check("eight fields", "1,2,3,4,5,6,7,8",
          (const char *[]){"1", "2", "3", "4", "5", "6", "7", "8"}, 8);
    check("open quote", "a,\"b", NULL, -1);
    printf(failures ? "%d FAILED\n" : "all passed\n", failures);
    return failures != 0;
}
