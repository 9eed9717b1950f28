#include "helper.h"

#include <stdio.h>
#include <string.h>

TestSuite(ws, .timeout = 30);

Test(ws, echoes_a_message)
{
    struct world world;
    struct echo echo = {0};
    struct client client = {0};
    const struct net_header headers[] = {{"authorization", "Bearer abc"}};
    world_start(&world, NULL);
    echo_start(&echo, &world);
    client_open(&client, &world, echo_url(&echo, "ws", "/v1/responses?a=b"), headers, 1);
    world_run_until(&world, &client.opened, "open");
    client_send(&client, "hello");
    world_run_until(&world, &client.got, "echo");
    cr_expect_str_eq(client.last.ptr, "hello");
    cr_expect_str_eq(echo.path, "/v1/responses");
    cr_expect_str_eq(echo.query, "a=b");
    cr_expect_str_eq(echo.authorization, "Bearer abc");
    cr_expect_str_eq(echo.origin, "");
    client_end(&client);
    world_run_until(&world, &echo.any_closed, "close at the server");
    echo_end(&echo);
    world_end(&world);
}
