/* Ordinary repositories, one a language: their build and their tests run in the sandbox as on the
 * first day, without a question. What is not installed here is skipped, and said. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(repositories, .timeout = 200);

enum { FILES_MAX = 6 };

static const struct repository {
    const char *language, *tool; /* tool: run to see whether it is here */
    struct {
        const char *name, *text;
    } files[FILES_MAX];
    const char *commands[4];
    const char *said; /* by the last one */
} repositories[] = {
    {"C",
     "make --version && cc --version",
     {{"Makefile", "all: prog\nprog: main.c sum.c\n\tcc -o $@ $^\ntest: "
                   "prog\n\t./prog\nclean:\n\trm -f prog\n"},
      {"main.c", "#include <stdio.h>\nint sum(int, int);\n"
                 "int main(void) { printf(\"sum %d\\n\", sum(2, 3)); return sum(2, 3) != 5; }\n"},
      {"sum.c", "int sum(int a, int b) { return a + b; }\n"}},
     {"make", "make test | tail -n 5", "make clean && make -j2 test 2>&1 | grep sum"},
     "sum 5"},
    {"Python",
     "/usr/bin/python3 -m pytest --version",
     {{"sums/__init__.py", "def add(a, b):\n    return a + b\n"},
      {"tests/test_sums.py", "import tempfile, multiprocessing\nfrom sums import add\n\n"
                             "def test_add(tmp_path):\n    (tmp_path / 'x').write_text('x')\n"
                             "    assert add(2, 3) == 5\n\n"
                             "def test_processes():\n"
                             "    with multiprocessing.Pool(2) as pool:\n"
                             "        assert pool.map(abs, [-1, 2]) == [1, 2]\n"}},
     {"/usr/bin/python3 -m pytest -q", "/usr/bin/python3 -m pytest -q 2>&1 | tail -n 3"},
     "2 passed"},
    {"Python without pytest",
     "/usr/bin/python3 --version",
     {{"sums.py", "def add(a, b):\n    return a + b\n"},
      {"test_sums.py", "import unittest\nfrom sums import add\n\nclass T(unittest.TestCase):\n"
                       "    def test_add(self):\n        self.assertEqual(add(2, 3), 5)\n"}},
     {"/usr/bin/python3 -m unittest 2>&1"},
     "OK"},
    {"Node",
     "node --version && npm --version",
     {{"package.json",
       "{\"name\":\"sums\",\"version\":\"1.0.0\",\"scripts\":{\"test\":\"node --test\","
       "\"build\":\"node -e \\\"require('fs').writeFileSync('out.js','1')\\\"\"}}\n"},
      {"sums.js", "exports.add = (a, b) => a + b;\n"},
      {"sums.test.js",
       "const test = require('node:test'), assert = require('node:assert');\n"
       "const http = require('node:http');\n"
       "test('adds', () => assert.equal(require('./sums').add(2, 3), 5));\n"
       "test('serves itself', (t, done) => {\n"
       "  const server = http.createServer((q, r) => r.end('hi'));\n"
       "  server.listen(0, '127.0.0.1', () => http.get({port: server.address().port,"
       " host: '127.0.0.1'}, (r) => { r.resume(); server.close(); done(); }));\n});\n"}},
     {"npm run build", "npm test 2>&1 | grep -E '^. (pass|fail)'"},
     "pass 2"},
    {"Rust",
     "cargo --version",
     {{"Cargo.toml", "[package]\nname = \"sums\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"},
      {"src/lib.rs", "pub fn add(a: i32, b: i32) -> i32 { a + b }\n"
                     "#[test]\nfn adds() { assert_eq!(add(2, 3), 5); }\n"}},
     {"cargo build 2>&1", "cargo test 2>&1 | grep 'test result' | head -n 1"},
     "1 passed"},
    {"Go",
     "go version",
     {{"go.mod", "module example.com/sums\n\ngo 1.19\n"},
      {"sums.go", "package sums\n\nfunc Add(a, b int) int { return a + b }\n"},
      {"sums_test.go",
       "package sums\n\nimport \"testing\"\n\n"
       "func TestAdd(t *testing.T) {\n\tif Add(2, 3) != 5 {\n\t\tt.Fatal()\n\t}\n}\n"}},
     {"go build ./...", "go vet ./...", "go test ./... 2>&1"},
     "ok"},
};

/* The tests' home is empty; these name what the real one would hold. */
static void keep_toolchains(struct fixture *f, const char *home)
{
    char path[512];
    struct json_value *settings = NULL;
    struct buf warnings = {0};
    snprintf(path, sizeof(path), "%s/.rustup", home ? home : "");
    if (access(path, F_OK) == 0)
        setenv("RUSTUP_HOME", path, 0);
    cr_assert_eq(json_parse(STR("{\"sandbox.env\":[\"RUSTUP_HOME\"]}"), &settings, NULL),
                 STATUS_OK);
    config_apply(f->config, CONFIG_FILE, settings, &warnings);
    json_free(settings);
    buf_finish(&warnings);
}

/* The commands have quotes of both kinds. */
static void run(struct fixture *f, struct record *r, const char *command)
{
    char id[32];
    struct buf json = {0};
    struct json_writer w;
    record_finish(r);
    json_writer_init(&w, &json);
    json_write_begin_object(&w);
    json_write_field_c(&w, "cmd", command);
    json_write_field_int(&w, "yield_time_ms", 3000); /* the fixture waits for no call longer */
    json_write_end_object(&w);
    snprintf(id, sizeof(id), "call_%u", ++f->next_call);
    start_id(f, r, id, "exec_command", buf_str(&json), false);
    wait_all(f);
    buf_finish(&json);
    for (const char *at; (at = strstr(r->text, "Still running as session "));) {
        char arguments[64];
        snprintf(arguments, sizeof(arguments), "{'session_id':%ld,'yield_time_ms':3000}",
                 strtol(at + strlen("Still running as session "), NULL, 10));
        call(f, r, "write_stdin", arguments);
    }
}

static void try_one(const struct repository *repository)
{
    struct fixture f;
    struct record r = {0};
    char command[256];
    snprintf(command, sizeof(command), "{ %s; } >/dev/null 2>&1", repository->tool);
    if (system(command) != 0) {
        fprintf(stderr, "skipped: %s: its tools are not installed here\n", repository->language);
        return;
    }
    fixture_init(&f);
    keep_toolchains(&f, getenv("HOME"));
    for (size_t i = 0; i < FILES_MAX && repository->files[i].name; i++)
        put(&f, repository->files[i].name, repository->files[i].text);
    for (size_t i = 0; i < array_count(repository->commands) && repository->commands[i]; i++) {
        run(&f, &r, repository->commands[i]);
        cr_assert(r.ok, "%s: %s: %s", repository->language, repository->commands[i], r.text);
        cr_assert_eq(f.host.asks, 0, "%s: %s asked", repository->language, repository->commands[i]);
    }
    cr_assert(strstr(r.text, repository->said), "%s: %s", repository->language, r.text);
    fprintf(stderr, "counted: %u prompts while a repository in %s was built and tested\n",
            f.host.asks, repository->language);
    record_finish(&r);
    fixture_finish(&f);
}

Test(repositories, build_and_test_in_the_sandbox_without_a_question)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("their builds are long, and not of our code");
#endif
    for (size_t i = 0; i < array_count(repositories); i++)
        try_one(&repositories[i]);
}
