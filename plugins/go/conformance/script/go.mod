module conformance

go 1.24

require adjutant v0.0.0
