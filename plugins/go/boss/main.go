// Has each line of a task done by whoever fits, all at once, and gathers the reports.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"adjutant"
)

func init() { adjutant.Boss(work) }

func main() {}

// Result is what became of one line.
type Result struct {
	Task    string           `json:"task"`
	Agent   string           `json:"agent"`
	Outcome adjutant.Outcome `json:"outcome"`
	Output  json.RawMessage  `json:"output"`
}

func work(task adjutant.Task) (adjutant.Report, error) {
	team, err := adjutant.Delegation.Team()
	if err != nil {
		return adjutant.Report{}, err
	}
	if len(team) == 0 {
		return adjutant.Report{}, errors.New("There is nobody to delegate to: this boss has no team.")
	}
	assignments := split(task, team)
	if err := adjutant.Delegation.ProposePlan(plan(task, assignments)); err != nil {
		return adjutant.Report{}, err
	}
	delegated, err := adjutant.Delegation.Delegate(assignments)
	if err != nil {
		return adjutant.Report{}, err
	}
	// The host may drop this component from memory now, and bring it back when all have reported.
	joined, err := adjutant.AwaitAll(delegated)
	if err != nil {
		return adjutant.Report{}, err
	}
	var summary []string
	results := []Result{}
	for _, one := range joined.Reports {
		summary = append(summary, fmt.Sprintf("- %s (%s): %s", one.Title, one.Outcome, one.Summary))
		output := json.RawMessage(adjutant.Or(one.OutputJSON, "null"))
		results = append(results, Result{one.Title, one.AgentName, one.Outcome, output})
	}
	return adjutant.Done(strings.Join(summary, "\n"), results)
}

// split makes an assignment of each line, for the selector to choose; of a single line one for each
// member.
func split(task adjutant.Task, team []adjutant.Member) []adjutant.Assignment {
	var assignments []adjutant.Assignment
	lines := adjutant.Lines(task.Text())
	if len(lines) == 1 {
		for _, member := range team {
			assignments = append(assignments, adjutant.Assignment{
				Title: lines[0], Description: lines[0], Assignee: adjutant.Some(member.Agent.ID),
			})
		}
		return assignments
	}
	for _, line := range lines {
		assignments = append(assignments, adjutant.Assignment{Title: line, Description: line})
	}
	return assignments
}

func plan(task adjutant.Task, assignments []adjutant.Assignment) adjutant.WorkPlan {
	phase := adjutant.PlanPhase{ID: "all", Name: "All at once", Parallel: true}
	for i, one := range assignments {
		phase.Tasks = append(phase.Tasks, adjutant.PlanTask{
			ID: fmt.Sprintf("task-%d", i+1), Description: one.Title, AssignToAgent: one.Assignee,
		})
	}
	return adjutant.WorkPlan{Name: task.Ticket.Title, Phases: []adjutant.PlanPhase{phase}}
}
