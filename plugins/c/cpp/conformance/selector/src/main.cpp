// Chooses by the conformance suite's rule.
#include <algorithm>
#include <cstdio>

#include "../../values.hpp"

using namespace adjutant;

static Choices choose(const Question& task, const std::vector<Candidate>& candidates) {
    if (task.title == "trap") {
        fprintf(stderr, "%s\n", task.description.c_str());
        abort();
    }
    if (task.title.starts_with("error: ")) return std::unexpected(task.title.substr(7));
    std::vector<Choice> choices;
    for (const auto& one : candidates) {
        const auto& skills = one.agent.skills;
        if (std::find(skills.begin(), skills.end(), task.description) == skills.end()) continue;
        json::Text reason;
        reason.object([&](auto& object) {
            values::write(object.key("question"), task);
            values::write(object.key("candidate"), one);
        });
        auto confidence = one.status == TrackingStatus::Case::idle      ? Confidence::high()
                          : one.status == TrackingStatus::Case::working ? Confidence::medium()
                                                                        : Confidence::low();
        choices.push_back({.agent = one.agent.id, .reason = reason.str(), .confidence = confidence});
    }
    return choices;
}

ADJUTANT_SELECTOR(choose)
