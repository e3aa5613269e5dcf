module conformance-go-subordinate

go 1.24

require (
	adjutant v0.0.0
	conformance v0.0.0
)

replace adjutant => ./.adjutant/work/adjutant

replace conformance => ../script
