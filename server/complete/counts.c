/* What it has come to, for the status. */
#include "complete-internal.h"

void complete_write_counts(const struct complete *complete, struct json_writer *w)
{
    struct complete_counts counts;
    complete_get_counts(complete, &counts);
    const struct {
        const char *name;
        uint64_t value;
    } members[] = {
        {"questions", counts.questions},
        {"requests", counts.requests},
        {"fromCache", counts.from_cache},
        {"keptRunning", counts.kept_running},
        {"dropped", counts.dropped},
        {"inputTokens", counts.input_tokens},
        {"outputTokens", counts.output_tokens},
        {"suggestedBytes", counts.suggested_bytes},
        {"pauseMs", counts.pause_ms},
    };
    json_write_begin_object(w);
    for (size_t i = 0; i < array_count(members); i++)
        json_write_field_int(w, members[i].name, (int64_t)members[i].value);
    json_write_end_object(w);
}
