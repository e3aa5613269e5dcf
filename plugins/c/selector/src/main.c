/* Picks whose skills share most words with the task. */
#include <adjutant.h>
#include <stdlib.h>

/* Whether a word is among the words of a text. */
static bool has_word(adj_string_t text, adj_string_t word) {
    adj_string_t other;
    while (adj_next_word(&text, &other))
        if (adj_same_word(word, other)) return true;
    return false;
}

/* A candidate with the words of its skills that the task has too. */
typedef struct {
    const adj_agent_t *agent;
    adj_text_t words;
    int shared;
} fitting_t;

static fitting_t fit(const adj_question_t *task, const adj_agent_t *agent) {
    fitting_t one = {.agent = agent};
    for (size_t i = 0; i < agent->skills.len; i++) {
        adj_string_t skill = agent->skills.ptr[i], word;
        while (adj_next_word(&skill, &word)) {
            bool asked = has_word(task->title, word) || has_word(task->description, word);
            if (!asked || has_word(adj_text(&one.words), word)) continue;
            adj_add_format(&one.words, "%s%.*s", one.shared ? ", " : "", ADJ_ARG(word));
            one.shared++;
        }
    }
    return one;
}

/* The best first; of equals, the one that the host named first. */
static int better(const void *left, const void *right) {
    const fitting_t *a = left, *b = right;
    if (a->shared != b->shared) return b->shared - a->shared;
    return a->agent < b->agent ? -1 : 1;
}

bool adj_choose(const adj_question_t *task, const adj_list_candidate_t *candidates,
                adj_list_choice_t *choices, adj_string_t *problem) {
    (void)problem;
    fitting_t *all = adj_alloc(candidates->len, sizeof *all);
    for (size_t i = 0; i < candidates->len; i++) all[i] = fit(task, &candidates->ptr[i].agent);
    qsort(all, candidates->len, sizeof *all, better);
    for (size_t i = 0; i < candidates->len && all[i].shared; i++) {
        uint8_t confidence = all[i].shared == 1   ? ADJ_TYPES_CONFIDENCE_LOW
                             : all[i].shared == 2 ? ADJ_TYPES_CONFIDENCE_MEDIUM
                                                  : ADJ_TYPES_CONFIDENCE_HIGH;
        adj_string_t reason = adj_format("%.*s can %.*s", ADJ_ARG(all[i].agent->name),
                                         ADJ_ARG(adj_text(&all[i].words)));
        adj_add_choice(choices, all[i].agent->id, reason, confidence);
    }
    return true;
}
