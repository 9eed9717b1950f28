/* What went out, for the audit log. A request's row waits in memory until the journal is written
 * anyway (its first item), a second at most, so that a step costs no transaction more. What the
 * row's items are is worked out by whoever reads it: the journal has them. */
#include "agent-internal.h"

#include <string.h>

enum { WAIT_MS = 1000 };

static void write_row(struct agent_thread *thread)
{
    struct audit *audit = &thread->audit;
    struct err err = {0};
    audit->is_pending = false;
    audit->row.turn_id = str_from(audit->turn_id);
    if (journal_sent_add(thread->agent->env.journal, thread->id, &audit->row, &audit->num, &err) <
        0) {
        audit->num = 0;
        log_line(LOG_WARN, "journal request not kept thread=%s why=\"%s\"", thread->id, err.text);
    }
}

static void write_tokens(struct agent_thread *thread)
{
    struct audit *audit = &thread->audit;
    audit->has_tokens = false;
    if (audit->num > 0)
        (void)journal_sent_set_tokens(thread->agent->env.journal, audit->num, audit->input_tokens,
                                      audit->cached_tokens, audit->output_tokens, NULL);
}

/* The tokens are of the row that was written last, not of the one that waits. */
void audit_flush(struct agent_thread *thread)
{
    struct audit *audit = &thread->audit;
    struct journal *journal = thread->agent->env.journal;
    if (!audit->is_pending && !audit->has_tokens)
        return;
    journal_join(journal);
    if (audit->has_tokens)
        write_tokens(thread);
    if (audit->is_pending)
        write_row(thread);
    journal_commit_later(journal, thread->agent->env.loop);
}

static void on_timer(void *user)
{
    audit_flush(user);
}

void audit_on_sent(struct agent_thread *thread, const char *turn_id, const char *kind,
                   const struct responses_sent *sent)
{
    struct audit *audit = &thread->audit;
    const struct history *history = &thread->history;
    if (audit->is_pending) /* it is sent again */
        audit_flush(thread);
    if (!audit->timer)
        audit->timer = loop_timer_new(thread->agent->env.loop, on_timer, thread);
    memcpy(audit->turn_id, turn_id, strnlen(turn_id, ID_BYTES - 1) + 1);
    audit->is_pending = true;
    audit->row = (struct journal_sent){
        .kind = str_from(kind),
        .host = str_from(thread->agent->host),
        .items = sent->count - sent->first,
        .bytes = sent->bytes,
        .tools_bytes = sent->tools_bytes,
        .continued = sent->continued,
    };
    if (sent->first < sent->count && sent->count <= history->seqs.len) {
        audit->row.first_seq = history->seqs.ptr[sent->first];
        audit->row.last_seq = history->seqs.ptr[sent->count - 1];
    }
    loop_timer_start(audit->timer, WAIT_MS, 0);
}

/* Written with what is written next. */
void audit_note_tokens(struct agent_thread *thread, const struct responses_result *result)
{
    struct audit *audit = &thread->audit;
    if (audit->is_pending) /* a response without items */
        audit_flush(thread);
    audit->has_tokens = result->usage.input_tokens > 0;
    audit->input_tokens = result->usage.input_tokens;
    audit->cached_tokens = result->usage.cached_tokens;
    audit->output_tokens = result->usage.output_tokens;
}

void audit_free(struct agent_thread *thread)
{
    audit_flush(thread);
    loop_timer_free(thread->audit.timer);
    thread->audit.timer = NULL;
}
