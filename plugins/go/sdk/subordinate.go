package adjutant

// Subordinate names the strategy's function, in a function init: it does the task itself. An error is
// a failed ticket with the error's text; a [*Failure] may have an output too.
func Subordinate(work func(task Task) (Report, error)) {
	register(work)
}
