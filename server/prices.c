/* What tokens cost, by the setting `prices`: {"MODEL": {"input": 1.25, "cached": 0.125, "output":
 * 10, "currency": "USD"}}, for a million each. */
#include <stdio.h>

#include <lanebridge/json.h>

#include "app.h"

static double member(const struct json_value *price, const char *name, double fallback)
{
    double value = json_number(json_get(price, name), fallback);
    return value >= 0 ? value : fallback;
}

bool prices_find(const struct config *config, struct str model, const struct responses_usage *usage,
                 struct agent_cost *ret_cost)
{
    struct json_value *prices = NULL;
    char name[256];
    snprintf(name, sizeof(name), STR_FMT, STR_ARG(model));
    if (json_parse(str_from(config->prices_json), &prices, NULL) < 0)
        return false;
    const struct json_value *price = json_get(prices, name);
    bool found = json_is(price, JSON_OBJECT);
    if (found) {
        double input = member(price, "input", 0), cached = member(price, "cached", input);
        struct str currency = json_get_str(price, "currency");
        double fresh = (double)(usage->input_tokens - usage->cached_tokens);
        ret_cost->amount = (fresh * input + (double)usage->cached_tokens * cached +
                            (double)usage->output_tokens * member(price, "output", 0)) /
                           1e6;
        snprintf(ret_cost->currency, sizeof(ret_cost->currency), STR_FMT,
                 STR_ARG(currency.len > 0 && currency.len < sizeof(ret_cost->currency)
                             ? currency
                             : STR("USD")));
    }
    json_free(prices);
    return found;
}
