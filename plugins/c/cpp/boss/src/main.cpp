// Has each line of a task done by whoever fits, all at once, and gathers the reports.
#include <adjutant.hpp>

using namespace adjutant;
using namespace adjutant::delegation;

// An assignment of each line, for the selector to choose; of a single line one for each member.
static std::vector<Assignment> split(const Task& task, const std::vector<Member>& team) {
    std::vector<Assignment> all;
    auto tasks = lines(text(task));
    if (tasks.size() == 1) {
        for (const auto& member : team) {
            all.push_back(assignment(tasks[0], tasks[0]));
            all.back().assignee = member.agent.id;
        }
    } else {
        for (const auto& one : tasks) all.push_back(assignment(one, one));
    }
    return all;
}

static WorkPlan plan(const Task& task, const std::vector<Assignment>& assignments) {
    PlanPhase phase{.id = "all", .name = "All at once", .parallel = true};
    for (const auto& one : assignments)
        phase.tasks.push_back({.id = "task-" + std::to_string(phase.tasks.size() + 1),
                               .description = one.title,
                               .assign_to_agent = one.assignee,
                               .priority = Priority::medium()});
    return {.name = task.ticket.title, .phases = {phase}};
}

static Done work(const Task& task) {
    auto members = ADJUTANT_TRY(team());
    if (members.empty()) return failure("There is nobody to delegate to: this boss has no team.");
    auto assignments = split(task, members);
    ADJUTANT_TRY(propose_plan(plan(task, assignments)));
    // The host may drop this component from memory now, and bring it back when all have reported.
    auto joined = ADJUTANT_TRY(await_all(ADJUTANT_TRY(delegate(assignments))));

    std::string summary;
    json::Text output;
    output.list([&](auto& list) {
        for (const auto& one : joined.reports) {
            summary += (summary.empty() ? "- " : "\n- ") + one.title + " (" + one.outcome.name() +
                       "): " + one.summary;
            list.object([&](auto& object) {
                object.field("task", one.title)
                    .field("agent", one.agent_name)
                    .field("outcome", one.outcome.name());
                object.key("output").raw(one.output_json.value_or("null"));
            });
        }
    });
    return report(summary, output.str());
}

ADJUTANT_BOSS(work)
