// Picks whose skills share most words with the task.
#include <adjutant.hpp>
#include <algorithm>
#include <set>

using namespace adjutant;

static Confidence confidence(size_t shared) {
    return shared == 1 ? Confidence::low() : shared == 2 ? Confidence::medium() : Confidence::high();
}

static Choices choose(const Question& task, const std::vector<Candidate>& candidates) {
    auto all = words(task.title + " " + task.description);
    std::set<std::string> asked(all.begin(), all.end());
    std::vector<std::pair<size_t, Choice>> fitting;
    for (const auto& candidate : candidates) {
        std::set<std::string> shared;
        for (const auto& skill : candidate.agent.skills)
            for (const auto& word : words(skill))
                if (asked.contains(word)) shared.insert(word);
        if (shared.empty()) continue;
        std::string named;
        for (const auto& word : shared) named += (named.empty() ? "" : ", ") + word;
        fitting.push_back({shared.size(), {.agent = candidate.agent.id,
                                           .reason = candidate.agent.name + " can " + named,
                                           .confidence = confidence(shared.size())}});
    }
    // The sort is stable: of equals, the one that the host named first.
    std::stable_sort(fitting.begin(), fitting.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<Choice> choices;
    for (auto& one : fitting) choices.push_back(std::move(one.second));
    return choices;
}

ADJUTANT_SELECTOR(choose)
