module adjutant

go 1.24
