/* What went out, for the audit log. The rows of requests wait in memory, a second at most, and are
 * written together, so that they cost a step next to nothing. What a row's items are is worked out
 * by whoever reads it: the journal has them. */
#include "agent-internal.h"

#include <string.h>

enum { WAIT_MS = 1000, ROWS_MAX = 64 };

static void write_row(struct agent_thread *thread, struct audit_row *row)
{
    struct audit *audit = &thread->audit;
    struct err err = {0};
    row->sent.turn_id = str_from(row->turn_id);
    if (journal_sent_add(thread->agent->env.journal, thread->id, &row->sent, &audit->num, &err) <
        0) {
        audit->num = 0;
        log_line(LOG_WARN, "journal request not kept thread=%s why=\"%s\"", thread->id, err.text);
    }
}

void audit_flush(struct agent_thread *thread)
{
    struct audit *audit = &thread->audit;
    struct journal *journal = thread->agent->env.journal;
    if (audit->rows.len == 0)
        return;
    journal_join(journal);
    for (size_t i = 0; i < audit->rows.len; i++)
        write_row(thread, &audit->rows.ptr[i]);
    vec_clear(&audit->rows);
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
    struct audit_row row = {.sent = {
                                .kind = str_from(kind),
                                .host = str_from(thread->agent->host),
                                .items = sent->count - sent->first,
                                .bytes = sent->bytes,
                                .tools_bytes = sent->tools_bytes,
                                .continued = sent->continued,
                                .sent_ms = time_wall_ms(),
                            }};
    memcpy(row.turn_id, turn_id, strnlen(turn_id, ID_BYTES - 1));
    if (sent->first < sent->count && sent->count <= history->seqs.len) {
        size_t first = sent->first; /* a helper begins with items of another thread */
        while (first + 1 < sent->count && history->seqs.ptr[first] == 0)
            first++;
        row.sent.first_seq = history->seqs.ptr[first];
        row.sent.last_seq = history->seqs.ptr[sent->count - 1];
    }
    vec_push(&audit->rows, row);
    if (!audit->timer)
        audit->timer = loop_timer_new(thread->agent->env.loop, on_timer, thread);
    if (audit->rows.len >= ROWS_MAX)
        audit_flush(thread);
    else if (!loop_timer_is_active(audit->timer))
        loop_timer_start(audit->timer, WAIT_MS, 0);
}

/* Of the request that went out last, which may be written already. */
void audit_note_tokens(struct agent_thread *thread, const struct responses_result *result)
{
    struct audit *audit = &thread->audit;
    const struct responses_usage *usage = &result->usage;
    if (audit->rows.len > 0) {
        struct journal_sent *sent = &vec_last(&audit->rows).sent;
        sent->input_tokens = usage->input_tokens;
        sent->cached_tokens = usage->cached_tokens;
        sent->output_tokens = usage->output_tokens;
    } else if (audit->num > 0 && usage->input_tokens > 0) {
        struct journal *journal = thread->agent->env.journal;
        journal_join(journal);
        (void)journal_sent_set_tokens(journal, audit->num, usage->input_tokens,
                                      usage->cached_tokens, usage->output_tokens, NULL);
        journal_commit_later(journal, thread->agent->env.loop);
    }
}

void audit_free(struct agent_thread *thread)
{
    audit_flush(thread);
    vec_finish(&thread->audit.rows);
    loop_timer_free(thread->audit.timer);
    thread->audit.timer = NULL;
}
