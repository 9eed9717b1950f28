/* What else a server may ask, and what goes out beside requests. */
#include "desk.h"

Test(client, questions_get_their_button)
{
    static const struct {
        int button;
        const char *answer;
    } cases[] = {{0, "'id':7,'result':{'title':'No'}"},
                 {1, "'id':7,'result':{'title':'Yes'}"},
                 {-1, "'id':7,'result':null"},
                 {9, "'id':7,'result':null"}};
    for (size_t i = 0; i < array_count(cases); i++) {
        struct desk desk;
        desk_init(&desk, "utf-8");
        desk.button = cases[i].button;
        says(&desk, "{'id':7,'method':'window/showMessageRequest','params':{'type':3,'message':"
                    "'Really?','actions':[{'title':'No'},{'title':'Yes'}]}}");
        desk_run(&desk);
        cr_assert_neq(place_of(&desk, cases[i].answer), SIZE_MAX, "button %d", cases[i].button);
        cr_assert_eq(desk.asked.len, 1);
        cr_assert_str_eq(desk.asked.ptr[0], "Really?");
        desk_finish(&desk);
    }
}

Test(client, a_question_can_wait)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    desk.button = CLIENT_LATER;
    says(&desk, "{'id':7,'method':'window/showMessageRequest','params':{'message':'a','actions':["
                "{'title':'No'},{'title':'Yes'}]}}");
    says(&desk, "{'id':8,'method':'lanebridge/approval/request','params':{'show':'b'}}");
    says(&desk, "{'id':9,'method':'lanebridge/approval/request','params':{'show':'c'}}");
    desk_run(&desk);
    assert_not_sent(&desk, "'result'");
    cr_assert(client_answer(desk.client, 1));
    cr_assert(client_answer(desk.client, 0));
    assert_sent(&desk, "'id':7,'result':{'title':'Yes'}");
    assert_sent(&desk, "'id':8,'result':{'decision':'accept'}");
    desk_finish(&desk); /* with the third one unanswered */
}

Test(client, approvals_are_accepted_by_the_first_button_alone)
{
    static const char *const answers[] = {"'decision':'decline'", "'decision':'accept'",
                                          "'decision':'decline'"};
    for (int button = -1; button < 2; button++) {
        struct desk desk;
        desk_init(&desk, "utf-8");
        desk.button = button;
        says(&desk, "{'id':7,'method':'lanebridge/approval/request','params':{'show':'rm x'}}");
        desk_run(&desk);
        assert_sent(&desk, answers[button + 1]);
        cr_assert_str_eq(desk.asked.ptr[0], "rm x");
        desk_finish(&desk);
    }
}

Test(client, other_requests_are_answered)
{
    static const struct {
        const char *method, *params, *answer;
    } cases[] = {
        {"window/showDocument", "{'uri':'@'}", "'id':7,'result':{'success':true}"},
        {"window/workDoneProgress/create", "{'token':1}", "'id':7,'result':null"},
        {"client/registerCapability", "{}", "'id':7,'result':null"},
        {"workspace/configuration", "{'items':[{},{}]}", "'id':7,'result':[null,null]"},
        {"lanebridge/editor/save", "{'uris':['@']}", "'id':7,'result':{}"},
        {"lanebridge/editor/save", "{'uris':['@.none']}", "'id':7,'error':{'code':-32803"},
        {"workspace/applyEdit", "{}", "'id':7,'result':{'applied':true}"},
        {"no/such", "{}", "'id':7,'error':{'code':-32601"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct desk desk;
        struct buf message = {0};
        desk_init(&desk, "utf-8");
        buf_append_fmt(&message, "{'id':7,'method':'%s','params':%s}", cases[i].method,
                       cases[i].params);
        says(&desk, message.ptr);
        desk_run(&desk);
        cr_assert_neq(place_of(&desk, cases[i].answer), SIZE_MAX, "%s", cases[i].method);
        buf_finish(&message);
        desk_finish(&desk);
    }
}

Test(client, raw_bytes_cancels_and_notifications_go_out)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    desk_run(&desk);
    client_notify(desk.client, "some/thing", STR("{\"a\":1}"));
    client_cancel(desk.client, 12);
    client_write_raw(desk.client, STR("rubbish"));
    assert_sent(&desk, "'method':'some/thing','params':{'a':1}");
    assert_sent(&desk, "'method':'$/cancelRequest','params':{'id':12}");
    cr_assert_gt(client_pid(desk.client), 0);
    desk_finish(&desk);
}
