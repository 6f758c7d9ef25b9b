module github.com/flexemu/flexemu

go 1.26
