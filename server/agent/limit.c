/* What a turn and a day may cost: counted for all windows, and asked about at the limit. */
#include "agent-internal.h"

#include <stdio.h>
#include <string.h>

static const char go_on_word[] = "Go on", stop_word[] = "Stop";

void agent_spent(struct journal *journal, struct loop *loop, struct str model,
                 const struct responses_usage *usage)
{
    const struct journal_spent spent = {.model = model,
                                        .input_tokens = usage->input_tokens,
                                        .cached_tokens = usage->cached_tokens,
                                        .output_tokens = usage->output_tokens};
    if (usage->input_tokens == 0 && usage->output_tokens == 0)
        return;
    journal_join(journal);
    (void)journal_spent_add(journal, &spent, NULL);
    journal_commit_later(journal, loop);
}

void spent_note(struct agent_thread *thread, const struct responses_usage *usage)
{
    agent_spent(thread->agent->env.journal, thread->agent->env.loop, str_from(thread->model),
                usage);
}

static void add_spent(void *user, const struct journal_spent *spent)
{
    *(int64_t *)user += spent->input_tokens + spent->output_tokens;
}

static int64_t spent_today(struct journal *journal)
{
    int64_t tokens = 0;
    (void)journal_spent_today(journal, add_spent, &tokens, NULL);
    return tokens;
}

bool agent_day_is_over(const struct agent *agent, struct journal *journal, int64_t limit)
{
    int64_t allowed = agent && agent->day_allowed > limit ? agent->day_allowed : limit;
    return limit > 0 && spent_today(journal) >= allowed;
}

/* -- At the limit ------------------------------------------------------------------------------ */

static void stop(struct agent_turn *turn)
{
    struct agent_event event = agent_event_for(turn, AGENT_NOTICE);
    event.text = STR("Stopped at the limit of tokens. Ask again, or turn the limit up in the "
                     "settings: limits.tokensPerTurn, limits.tokensPerDay.");
    event.is_lasting = true;
    agent_emit(turn->thread->agent, &event);
    turn_interrupt(turn);
}

static void on_answer(void *user, const struct str *answers, size_t count)
{
    struct agent_turn *turn = user;
    bool yes = count > 0 && str_eq_c(answers[0], go_on_word);
    turn->is_asking_limit = false;
    if (turn->state != TURN_LIMITED)
        return;
    turn->timing.waiting_ms += loop_now_ms(turn->thread->agent->env.loop) - turn->tooling_ms;
    if (!yes) {
        stop(turn);
        return;
    }
    *(turn->limit_is_of_day ? &turn->thread->agent->day_allowed : &turn->turn_allowed) =
        turn->limit_next;
    turn_append_steers(turn); /* said meanwhile */
    if (turn->state == TURN_LIMITED)
        turn_go_on(turn);
    else
        turn_advance(turn);
}

static void ask(struct agent_turn *turn, int64_t tokens, int64_t limit)
{
    const struct host *host = turn->thread->agent->env.host_ops;
    char text[256];
    snprintf(text, sizeof(text), "%s used %lld tokens; your limit is %lld (%s). Go on?",
             turn->limit_is_of_day ? "Today all threads have" : "This turn has", (long long)tokens,
             (long long)limit,
             turn->limit_is_of_day ? "limits.tokensPerDay" : "limits.tokensPerTurn");
    const struct host_option options[] = {{stop_word, "What was done stays"},
                                          {go_on_word, "Until as many again are used"}};
    const struct host_question question = {text, options, array_count(options)};
    const struct host_inquiry inquiry = {.thread_id = turn->thread->id,
                                         .turn_id = turn->id,
                                         .item_id = turn->id,
                                         .questions = &question,
                                         .count = 1};
    turn->limit_next = tokens + limit;
    turn->tooling_ms = loop_now_ms(turn->thread->agent->env.loop);
    turn->is_asking_limit = true;
    host->ops->inquire(host->host, &inquiry, on_answer, turn);
}

bool limit_stops(struct agent_turn *turn)
{
    struct agent *agent = turn->thread->agent;
    struct agent_limits limits = {0};
    if (!agent->env.limits || turn->thread->helper)
        return false;
    agent->env.limits(agent->env.environment_user, &limits);
    int64_t tokens = turn->usage.input_tokens + turn->usage.output_tokens;
    int64_t limit = limits.tokens_per_turn;
    turn->limit_is_of_day = false;
    if (limit <= 0 || tokens < (turn->turn_allowed > limit ? turn->turn_allowed : limit)) {
        limit = limits.tokens_per_day;
        turn->limit_is_of_day = true;
        tokens = limit > 0 ? spent_today(agent->env.journal) : 0;
        if (tokens < limit)
            agent->day_allowed = 0; /* another day */
        if (limit <= 0 || tokens < (agent->day_allowed > limit ? agent->day_allowed : limit))
            return false;
    }
    turn_wait_at_limit(turn);
    if (agent->env.host_ops && agent->env.host_ops->ops->inquire && !turn->thread->commit)
        ask(turn, tokens, limit);
    else
        stop(turn);
    return true;
}

void limit_drop(struct agent_turn *turn)
{
    const struct host *host = turn->thread->agent->env.host_ops;
    if (turn->is_asking_limit)
        host->ops->drop(host->host, turn);
    turn->is_asking_limit = false;
}
