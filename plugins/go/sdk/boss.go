package adjutant

// Boss names the strategy's function, in a function init: it does the task with a team. An error is a
// failed ticket with the error's text; a [*Failure] may have an output too.
func Boss(work func(task Task) (Report, error)) {
	register(work)
}

// AwaitAll waits until all of these delegations are over, for as long as it takes.
func AwaitAll(delegated []Delegated) (Joined, error) {
	// No tickets would mean all that were ever delegated.
	if len(delegated) == 0 {
		return Joined{Met: true}, nil
	}
	tickets := make([]string, len(delegated))
	for i, one := range delegated {
		tickets[i] = one.Ticket
	}
	return Delegation.AwaitReports(tickets, JoinAll(), nil)
}

// Completed says whether the task was completed.
func (report TaskReport) Completed() bool {
	return report.Outcome == OutcomeCompleted
}
